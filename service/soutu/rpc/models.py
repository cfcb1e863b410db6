"""ModelService."""

import asyncio
from collections.abc import Set

from soutu.domain.cards import embedding_model
from soutu.domain.model import ModelCard, ModelRef, Task
from soutu.ports import Embedder, ModelStore
from soutu.rpc.calls import Context
from soutu.rpc.convert.basics import page_size
from soutu.rpc.listing import list_token, number_after
from soutu.rpc.names import model_name
from soutu.v1 import model_service_pb2, model_service_pb2_grpc

_TASKS = {
    Task.EMBED_IMAGE: model_service_pb2.MODEL_TASK_EMBED_IMAGE,
    Task.EMBED_TEXT: model_service_pb2.MODEL_TASK_EMBED_TEXT,
    Task.LOCAL_FEATURES: model_service_pb2.MODEL_TASK_LOCAL_FEATURES,
    Task.MATCH_FEATURES: model_service_pb2.MODEL_TASK_MATCH_FEATURES,
}


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """Answers soutu.v1.ModelService."""

    def __init__(self, models: ModelStore, embedder: Embedder) -> None:
        self._models = models
        self._embedder = embedder

    async def ListModels(
        self, request: model_service_pb2.ListModelsRequest, context: Context
    ) -> model_service_pb2.ListModelsResponse:
        cards, loaded = await asyncio.to_thread(self._models.list), await self._embedder.loaded()
        size, start = page_size(request.page_size, 100, 1_000), number_after("models", request.page_token)
        end = start + size
        return model_service_pb2.ListModelsResponse(
            models=[_message(card, loaded) for card in cards[start:end]],
            next_page_token=list_token("models", end) if end < len(cards) else "",
        )

    async def GetModel(
        self, request: model_service_pb2.GetModelRequest, context: Context
    ) -> model_service_pb2.Model:
        return _message(await self._card(request.name), await self._embedder.loaded())

    async def LoadModel(
        self, request: model_service_pb2.LoadModelRequest, context: Context
    ) -> model_service_pb2.Model:
        card = embedding_model(await self._card(request.name))
        await self._embedder.load(card.ref)
        return _message(card, await self._embedder.loaded())

    async def UnloadModel(
        self, request: model_service_pb2.UnloadModelRequest, context: Context
    ) -> model_service_pb2.Model:
        card = await self._card(request.name)
        await self._embedder.unload(card.ref)
        return _message(card, await self._embedder.loaded())

    async def _card(self, name: str) -> ModelCard:
        return await asyncio.to_thread(self._models.card, model_name(name, "name"))


def _message(card: ModelCard, loaded: Set[ModelRef]) -> model_service_pb2.Model:
    return model_service_pb2.Model(
        name=f"models/{card.ref}",
        task=_TASKS[card.task],
        dimension=card.dimension,
        input_width=card.input.width,
        input_height=card.input.height,
        pooling=card.pooling,
        licence=card.licence,
        source=card.source,
        sha256=card.sha256,
        description=card.description,
        text_supported=card.text is not None,
        languages=card.languages,
        loaded=card.ref in loaded,
    )
