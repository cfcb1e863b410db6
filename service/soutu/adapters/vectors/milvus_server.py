"""One Milvus server: asked with a limit on time, and left alone for a while after it did not answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from pymilvus import AsyncMilvusClient

from soutu.adapters.breaker import Breaker
from soutu.adapters.vectors.milvus_errors import VENDOR_ERRORS, MilvusAwayError, code_of, translated
from soutu.adapters.vectors.milvus_quick import QuickSearches
from soutu.observe.logs import logger

_Answer = TypeVar("_Answer")
_FIRST_REST_S, _LONGEST_REST_S = 0.25, 5.0
# Whether to try again is for those to decide who wait: pymilvus's own patience is 75 times, without an end.
ONCE = {"retry_times": 0}
# gRPC's own rest between connections grows to two minutes; the breaker's is enough.
_RECONNECT = {"grpc.initial_reconnect_backoff_ms": 250, "grpc.max_reconnect_backoff_ms": 1_000}
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class MilvusAddress:
    """Where a Milvus is, and as whom to call it: `token`, or `user` and `password`, or neither."""

    url: str
    user: str = ""
    password: str = ""
    token: str = ""
    database: str = ""

    @property
    def credentials(self) -> str:
        """The token, which user and password make up where there is none."""
        return self.token or (f"{self.user}:{self.password}" if self.user and self.password else "")

    @property
    def host(self) -> str:
        """host:port, as pymilvus files what it remembers of a server."""
        return self.url.partition("://")[2].rstrip("/")


class MilvusServer:
    """A client of `address`, and its `searches`, which are to be called within `asked`; a call lasts `wait_s`
    at the most."""

    def __init__(
        self, client: AsyncMilvusClient, searches: QuickSearches, address: MilvusAddress, wait_s: float
    ) -> None:
        self.address = address
        self.searches = searches
        self.wait_s = wait_s
        self._client = client
        self._breaker = Breaker(_FIRST_REST_S, _LONGEST_REST_S)

    @classmethod
    def connected(cls, address: MilvusAddress, *, wait_s: float) -> Self:
        """To be called in the loop that uses it; connects when first asked."""
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs every failure with its trace
        client = AsyncMilvusClient(
            address.url,
            token=address.credentials,
            db_name=address.database,
            timeout=wait_s,
            dedicated=True,
            grpc_options=_RECONNECT,
        )
        searches = QuickSearches.connected(
            address.url, token=address.credentials, database=address.database, options=_RECONNECT
        )
        return cls(client, searches, address, wait_s)

    async def asked(
        self, call: Callable[[AsyncMilvusClient], Awaitable[_Answer]], *, wait_s: float | None = None
    ) -> _Answer:
        """What `call` answers. INDEX_UNAVAILABLE where Milvus is away, at once while it rests; INDEX_UNREADY
        where it has not got, or not loaded, the collection that the call is about."""
        if self._breaker.open:
            raise MilvusAwayError
        try:
            async with asyncio.timeout(wait_s or self.wait_s):
                answer = await call(self._client)
        except VENDOR_ERRORS as error:
            raise self._understood(error) from error
        self._breaker.succeeded()
        return answer

    async def close(self) -> None:
        """Closes the connection."""
        try:
            async with asyncio.timeout(self.wait_s):
                await self.searches.close()
                await self._client.close()
        except VENDOR_ERRORS as error:
            _log.warning("milvus was not left in order", cause=type(error).__name__)

    def _understood(self, error: BaseException) -> Exception:
        failure = translated(error)
        if isinstance(failure, MilvusAwayError):
            self._breaker.failed()
            _log.warning("milvus is away", rest_s=self._breaker.rest_s, code=str(code_of(error)))
        else:
            self._breaker.succeeded()
            _log.warning("milvus refuses", code=str(code_of(error)), complaint=str(error))
        return failure
