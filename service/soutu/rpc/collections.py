"""CollectionService."""

import asyncio

from google.longrunning import operations_pb2

from soutu.collections.alter import Alterations
from soutu.collections.estimate import Estimates
from soutu.collections.fillings import Fillings
from soutu.collections.generations import Generations
from soutu.collections.lives import Collections
from soutu.domain.cards import embedding_model
from soutu.domain.collection import GenerationDraft, checked_generation_id
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard
from soutu.operations.desk import OperationDesk
from soutu.operations.runner import OperationRunner
from soutu.ports import Following, ModelStore
from soutu.rpc.calls import Context
from soutu.rpc.convert.basics import duration, page_size
from soutu.rpc.convert.collections import (
    changes_of,
    collection_message,
    draft_of,
    generation_message,
    index_spec,
    statistics_message,
)
from soutu.rpc.convert.operations import operation_message
from soutu.rpc.convert.sources import build_order_of, sync_order_of
from soutu.rpc.listing import list_token, number_after, text_after
from soutu.rpc.names import collection_id, generation_name, model_name, operation_id
from soutu.v1 import collection_pb2, collection_service_pb2, collection_service_pb2_grpc


class CollectionServicer(collection_service_pb2_grpc.CollectionServiceServicer):
    """Answers soutu.v1.CollectionService."""

    def __init__(
        self,
        collections: Collections,
        alterations: Alterations,
        fillings: Fillings,
        generations: Generations,
        estimates: Estimates,
        runner: OperationRunner,
        desk: OperationDesk,
        following: Following,
        models: ModelStore,
        default_model: str,
    ) -> None:
        self._collections = collections
        self._alterations = alterations
        self._fillings = fillings
        self._generations = generations
        self._estimates = estimates
        self._runner = runner
        self._desk = desk
        self._following = following
        self._models = models
        self._default_model = default_model

    async def CreateCollection(
        self, request: collection_service_pb2.CreateCollectionRequest, context: Context
    ) -> collection_pb2.Collection:
        card = await asyncio.to_thread(self._card, request.collection.model, "collection.model")
        return collection_message(await self._collections.create(draft_of(request, card)))

    async def GetCollection(
        self, request: collection_service_pb2.GetCollectionRequest, context: Context
    ) -> collection_pb2.Collection:
        return collection_message(await self._collections.get(collection_id(request.name, "name")))

    async def ListCollections(
        self, request: collection_service_pb2.ListCollectionsRequest, context: Context
    ) -> collection_service_pb2.ListCollectionsResponse:
        size = page_size(request.page_size, 100, 1_000)
        found = await self._collections.list(text_after("collections", request.page_token), size + 1)
        more = len(found) > size
        return collection_service_pb2.ListCollectionsResponse(
            collections=[collection_message(head) for head in found[:size]],
            next_page_token=list_token("collections", found[size - 1].collection.id) if more else "",
        )

    async def UpdateCollection(
        self, request: collection_service_pb2.UpdateCollectionRequest, context: Context
    ) -> collection_pb2.Collection:
        name = collection_id(request.collection.name, "collection.name")
        changes = changes_of(request)
        return collection_message(await self._alterations.update(name, changes, request.collection.etag))

    async def GetCollectionStatistics(
        self, request: collection_service_pb2.GetCollectionStatisticsRequest, context: Context
    ) -> collection_service_pb2.CollectionStatistics:
        name = collection_id(request.name, "name")
        return statistics_message(await self._alterations.statistics(name))

    async def DeleteCollection(
        self, request: collection_service_pb2.DeleteCollectionRequest, context: Context
    ) -> collection_service_pb2.DeleteCollectionResponse:
        name = collection_id(request.name, "name")
        await self._collections.delete(name, force=request.force, etag=request.etag)
        return collection_service_pb2.DeleteCollectionResponse()

    async def BuildCollection(
        self, request: collection_service_pb2.BuildCollectionRequest, context: Context
    ) -> operations_pb2.Operation:
        name = collection_id(request.name, "name")
        return operation_message(await self._fillings.build(name, build_order_of(request)))

    async def SyncCollection(
        self, request: collection_service_pb2.SyncCollectionRequest, context: Context
    ) -> operations_pb2.Operation:
        name = collection_id(request.name, "name")
        return operation_message(await self._fillings.sync(name, sync_order_of(request)))

    async def ListOperationFailures(
        self, request: collection_service_pb2.ListOperationFailuresRequest, context: Context
    ) -> collection_service_pb2.ListOperationFailuresResponse:
        operation, listing = operation_id(request.name), f"failures of {request.name}"
        size = page_size(request.page_size, 100, 1_000)
        found = await self._desk.failures(operation, number_after(listing, request.page_token), size + 1)
        more = len(found) > size
        return collection_service_pb2.ListOperationFailuresResponse(
            failures=[
                collection_service_pb2.OperationFailure(
                    subject=failure.subject, reason=failure.reason, message=failure.message
                )
                for _, failure in found[:size]
            ],
            next_page_token=list_token(listing, found[size - 1][0]) if more else "",
        )

    async def CreateGeneration(
        self, request: collection_service_pb2.CreateGenerationRequest, context: Context
    ) -> operations_pb2.Operation:
        collection = collection_id(request.parent, "parent")
        draft = await self._generation_draft(collection, request.generation, request.generation_id)
        operation = await self._generations.create(
            collection, draft, publish=request.publish, runner=self._runner
        )
        return operation_message(operation)

    async def EstimateGeneration(
        self, request: collection_service_pb2.EstimateGenerationRequest, context: Context
    ) -> collection_service_pb2.EstimateGenerationResponse:
        collection = collection_id(request.parent, "parent")
        draft = await self._generation_draft(collection, request.generation, "")
        estimate = await self._estimates.estimate(collection, draft)
        return collection_service_pb2.EstimateGenerationResponse(
            images_to_embed=estimate.images_to_embed,
            duration=duration(estimate.seconds),
            disk_bytes=estimate.disk_bytes,
            memory_bytes=estimate.memory_bytes,
        )

    async def PublishGeneration(
        self, request: collection_service_pb2.PublishGenerationRequest, context: Context
    ) -> collection_pb2.Collection:
        name = generation_name(request.name, "name")
        return collection_message(await self._generations.publish(name.collection_id, name.generation_id))

    async def RollBackCollection(
        self, request: collection_service_pb2.RollBackCollectionRequest, context: Context
    ) -> collection_pb2.Collection:
        return collection_message(await self._generations.roll_back(collection_id(request.name, "name")))

    async def DeleteGeneration(
        self, request: collection_service_pb2.DeleteGenerationRequest, context: Context
    ) -> collection_service_pb2.DeleteGenerationResponse:
        name = generation_name(request.name, "name")
        await self._generations.delete(name.collection_id, name.generation_id)
        return collection_service_pb2.DeleteGenerationResponse()

    async def GetGeneration(
        self, request: collection_service_pb2.GetGenerationRequest, context: Context
    ) -> collection_pb2.Generation:
        name = generation_name(request.name, "name")
        head, generations = await self._collections.generations(name.collection_id)
        for generation in generations:
            if generation.id == name.generation_id:
                followed = self._following.followed(generation)
                return generation_message(head.collection, generation, followed)
        raise SoutuError(Reason.GENERATION_NOT_FOUND)

    async def ListGenerations(
        self, request: collection_service_pb2.ListGenerationsRequest, context: Context
    ) -> collection_service_pb2.ListGenerationsResponse:
        head, generations = await self._collections.generations(collection_id(request.parent, "parent"))
        size, listing = page_size(request.page_size, 100, 1_000), f"generations of {request.parent}"
        after = number_after(listing, request.page_token)
        found = [each for each in generations if each.uid > after]
        return collection_service_pb2.ListGenerationsResponse(
            generations=[
                generation_message(head.collection, each, self._following.followed(each))
                for each in found[:size]
            ],
            next_page_token=list_token(listing, found[size - 1].uid) if len(found) > size else "",
        )

    async def _generation_draft(
        self, collection: str, message: collection_pb2.Generation, generation_id: str
    ) -> GenerationDraft:
        """What is left out is as in the active generation."""
        active = (await self._collections.get(collection)).generation
        model = message.model or f"models/{active.model}"
        card = await asyncio.to_thread(self._card, model, "generation.model")
        index = index_spec(message.index, "generation.index") if message.HasField("index") else active.index
        given_id = checked_generation_id(generation_id) if generation_id else ""
        return GenerationDraft(given_id, card.ref, card.dimension, index)

    def _card(self, model: str, field: str) -> ModelCard:
        name = model_name(model, field) if model else self._default_model
        return embedding_model(self._models.card(name))
