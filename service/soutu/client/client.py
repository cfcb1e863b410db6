"""The client: one connection to a server, and its calls in groups."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import NoneType, TracebackType
from typing import Any, Self, TypeVar, Unpack, cast

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from soutu.client.admin import Admin
from soutu.client.calls import Calls, checked_key
from soutu.client.channel import Tls, open_channel
from soutu.client.collections import Collections
from soutu.client.errors import SoutuCallError
from soutu.client.generations import Generations
from soutu.client.given import checked, made
from soutu.client.images import Images
from soutu.client.models import Models
from soutu.client.names import collection_name
from soutu.client.operations import Operations
from soutu.client.queries import (
    Part,
    Query,
    SearchFields,
    Subject,
    path_hint,
    query_part,
    query_parts,
    search_request,
)
from soutu.v1.admin_service_pb2 import GetLimitsRequest, GetStatusRequest, Limits, ServerStatus
from soutu.v1.admin_service_pb2_grpc import AdminServiceStub
from soutu.v1.search_pb2 import (
    BatchSearchRequest,
    BatchSearchResponse,
    CompareRequest,
    CompareResponse,
    EmbedRequest,
    EmbedResponse,
    QueryPart,
    SearchRequest,
    SearchResponse,
)
from soutu.v1.search_pb2_grpc import SearchServiceStub

ResponseT = TypeVar("ResponseT")

DEFAULT_ADDRESS = "127.0.0.1:50051"


class Client:
    """A Soutu server, for programs; threads may share it.

    Answers are the messages of the contract (soutu.v1). Every call ends within `timeout_s`; calls that are
    safe to repeat are, while the server is unavailable or busy; a call that fails raises SoutuCallError.
    """

    images: Images
    collections: Collections
    generations: Generations
    operations: Operations
    admin: Admin
    models: Models

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout_s: float = 30.0,
        key: str | None = None,
        tls: Tls | None = None,
    ) -> None:
        checked(address, str, "address", "a str, as host:port or unix:path")
        checked(timeout_s, (int, float), "timeout_s", "a number of seconds")
        checked(tls, (Tls, NoneType), "tls", "a Tls or None")
        key = checked_key(key) if key else None
        self.address = address
        self._channel = open_channel(address, tls)
        self._calls = Calls(self._channel, address, timeout_s, key)
        self._search = SearchServiceStub(self._channel)
        self._status = AdminServiceStub(self._channel)
        self.operations = Operations(self._calls)
        self.collections = Collections(self._calls, self.operations)
        self.generations = Generations(self._calls, self.operations)
        self.images = Images(self._calls)
        self.models = Models(self._calls)
        self.admin = Admin(self._calls, self.operations)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection and the calls under way."""
        self._channel.close()

    def search(self, collection: str, query: Query, **fields: Unpack[SearchFields]) -> SearchResponse:
        """The images of a collection that are most like the query, best first: one page of them."""
        request = search_request(collection, query, **fields)
        return self._ask(self._search.Search, request, request.parts)

    def search_pages(
        self, collection: str, query: Query, **fields: Unpack[SearchFields]
    ) -> Iterator[SearchResponse]:
        """The same, page after page as they are asked for."""
        request = search_request(collection, query, **fields)
        while True:
            page = self._ask(self._search.Search, request, request.parts)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def batch_search(self, requests: Sequence[SearchRequest]) -> BatchSearchResponse:
        """Several searches (`search_request` makes them) in one call, each with its own status, in order."""
        return self._calls.unary(self._search.BatchSearch, made(BatchSearchRequest, requests=requests))

    def compare(self, collection: str, first: Subject | Part, second: Subject | Part) -> CompareResponse:
        """How alike two images are, to the collection's model."""
        (one,), (other,) = query_parts(first, collection), query_parts(second, collection)
        request = CompareRequest(collection=collection_name(collection), first=one, second=other)
        return self._ask(self._search.Compare, request, (one, other))

    def embed(self, model: str, inputs: Sequence[Subject | Part], *, float16: bool = False) -> EmbedResponse:
        """Their embeddings, in order; `vector_values` makes arrays of them.

        `model` is models/{name}@{version}, or a collection's id or name for its model; stored images need the
        latter.
        """
        collection = "" if model.startswith("models/") else model
        checked(inputs, Sequence, "inputs", "a list of what a query may be")
        checked(model, str, "model", "a str")
        parts = [query_part(_as_part(item), collection) for item in inputs]
        name = collection_name(model) if collection else model
        request = EmbedRequest(model=name, inputs=parts, float16=float16)
        return self._ask(self._search.Embed, request, parts)

    def _ask(
        self, method: Callable[..., ResponseT], request: object, parts: Iterable[QueryPart]
    ) -> ResponseT:
        """The answer; an error about a stored image says how a file is given, where that may be meant."""
        try:
            return self._calls.unary(method, request)
        except SoutuCallError as error:
            if error.reason == "IMAGE_NOT_FOUND" and (hint := path_hint(parts)):
                raise error.hinted(hint) from error
            raise

    def status(self) -> ServerStatus:
        """How the server and what it stands on are doing."""
        return self._calls.unary(self._status.GetStatus, GetStatusRequest())

    def limits(self) -> Limits:
        """The limits that calls are held to."""
        return self._calls.unary(self._status.GetLimits, GetLimitsRequest())

    def serving(self, timeout_s: float | None = None) -> bool:
        """Whether the server says that it serves; raises SoutuCallError where none answers."""
        health = self._calls.unary(HealthStub(self._channel).Check, HealthCheckRequest(), timeout_s)
        return bool(health.status == HealthCheckResponse.SERVING)


def _as_part(item: Subject | Part) -> Part:
    return item if isinstance(item, Part) else Part(cast(Any, item))
