"""Generations: further indexes of a collection, built beside the one that serves."""

from collections.abc import Iterator

from soutu.client.calls import Calls
from soutu.client.given import made
from soutu.client.names import collection_name, generation_name, model_name
from soutu.client.operations import OperationHandle, Operations
from soutu.v1.collection_pb2 import Collection, Generation, Index
from soutu.v1.collection_service_pb2 import (
    CreateGenerationRequest,
    DeleteGenerationRequest,
    EstimateGenerationRequest,
    EstimateGenerationResponse,
    GetGenerationRequest,
    ListGenerationsRequest,
    PublishGenerationRequest,
    RollBackCollectionRequest,
)
from soutu.v1.collection_service_pb2_grpc import CollectionServiceStub

_LONG_S = 60.0  # publishing waits for the index, and an estimate loads a model


class Generations:
    """`Client.generations`. Generations are given by full name, or by id after their collection.

    What is left out of a new one, model or index, is as in the active generation.
    """

    def __init__(self, calls: Calls, operations: Operations) -> None:
        self._calls = calls
        self._operations = operations
        self._stub = CollectionServiceStub(calls.channel)

    def create(
        self,
        collection: str,
        generation_id: str = "",
        *,
        model: str = "",
        index: Index | None = None,
        publish: bool = False,
    ) -> OperationHandle[Generation]:
        """Begins to build a generation; answers at once. Never sent twice by itself."""
        request = made(
            CreateGenerationRequest,
            parent=collection_name(collection),
            generation_id=generation_id,
            generation=_draft(model, index),
            publish=publish,
        )
        operation = self._calls.unary(self._stub.CreateGeneration, request)
        return self._operations.handle(operation, Generation)

    def estimate(
        self, collection: str, *, model: str = "", index: Index | None = None
    ) -> EstimateGenerationResponse:
        """What building such a generation would take."""
        name = collection_name(collection)
        request = EstimateGenerationRequest(parent=name, generation=_draft(model, index))
        return self._calls.unary(self._stub.EstimateGeneration, request, _LONG_S)

    def get(self, generation: str, collection: str = "") -> Generation:
        """One generation."""
        request = GetGenerationRequest(name=generation_name(generation, collection))
        return self._calls.unary(self._stub.GetGeneration, request)

    def list(self, collection: str) -> Iterator[Generation]:
        """The generations of a collection, oldest first, page after page as they are asked for."""
        request = ListGenerationsRequest(parent=collection_name(collection))
        while True:
            page = self._calls.unary(self._stub.ListGenerations, request)
            yield from page.generations
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def publish(self, generation: str, collection: str = "") -> Collection:
        """Makes a generation the one that searches use."""
        request = PublishGenerationRequest(name=generation_name(generation, collection))
        return self._calls.unary(self._stub.PublishGeneration, request, _LONG_S)

    def roll_back(self, collection: str) -> Collection:
        """Publishes the generation that was active before."""
        request = RollBackCollectionRequest(name=collection_name(collection))
        return self._calls.unary(self._stub.RollBackCollection, request, _LONG_S)

    def delete(self, generation: str, collection: str = "") -> None:
        """Deletes a generation that is not the active one; images stay."""
        request = DeleteGenerationRequest(name=generation_name(generation, collection))
        self._calls.unary(self._stub.DeleteGeneration, request)


def _draft(model: str, index: Index | None) -> Generation:
    return made(Generation, model=model_name(model) if model else "", index=index)
