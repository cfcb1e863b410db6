"""The models that a server serves."""

from collections.abc import Iterator

from soutu.client.calls import Calls
from soutu.client.names import model_name
from soutu.v1.model_service_pb2 import (
    GetModelRequest,
    ListModelsRequest,
    LoadModelRequest,
    Model,
    UnloadModelRequest,
)
from soutu.v1.model_service_pb2_grpc import ModelServiceStub


class Models:
    """`Client.models`. Models are given as name@version, or by name for the newest version."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = ModelServiceStub(calls.channel)

    def get(self, model: str) -> Model:
        """One model."""
        return self._calls.unary(self._stub.GetModel, GetModelRequest(name=model_name(model)))

    def load(self, model: str) -> Model:
        """Makes a model ready before it is first used."""
        return self._calls.unary(self._stub.LoadModel, LoadModelRequest(name=model_name(model)))

    def unload(self, model: str) -> Model:
        """Frees what a model holds; it is loaded again when it is used."""
        return self._calls.unary(self._stub.UnloadModel, UnloadModelRequest(name=model_name(model)))

    def list(self) -> Iterator[Model]:
        """All models, page after page as they are asked for."""
        request = ListModelsRequest()
        while True:
            page = self._calls.unary(self._stub.ListModels, request)
            yield from page.models
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
