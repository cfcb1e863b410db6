"""Fetches pictures over HTTP with aiohttp, from allowed hosts at public addresses only.

Host names are resolved by a resolver of ours, and the addresses that it lets pass are those that the
connection is made to: between check and use there is no second look-up (DNS rebinding). Redirects are
followed by hand, so that each passes the same checks. No proxy, cookie or password is ever taken along.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from soutu.adapters.fetch.addresses import IpAddress, is_public, literal
from soutu.adapters.fetch.bodies import gathered, too_large
from soutu.adapters.fetch.hosts import AllowedHosts
from soutu.domain.errors import Reason, SoutuError

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_CHUNK_BYTES = 64 * 1024
_WAITING_LIMIT = 64
_HEADERS = {"User-Agent": "Soutu", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class FetchTerms:
    """From whom, how much, how long, over how many redirects, and how many at a time."""

    hosts: AllowedHosts
    size_bytes: int = 20 * 1024 * 1024
    seconds: float = 10.0
    redirects: int = 3
    parallel: int = 8


class CheckedResolver(AbstractResolver):
    """Resolves names, and refuses a name of which any address does not pass: URI_ADDRESS_NOT_ALLOWED."""

    def __init__(self, inner: AbstractResolver, passes: Callable[[IpAddress], bool]) -> None:
        self._inner = inner
        self._passes = passes

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name, every one of them checked."""
        found = await self._inner.resolve(host, port, family)
        for each in found:
            check_address(ip_address(each["host"]), self._passes)
        return found

    async def close(self) -> None:
        """Closes the resolver inside."""
        await self._inner.close()


class WebFetcher:
    """Keeps ports.Fetcher. `resolver` and `passes` are there for tests, whose servers are on this machine."""

    def __init__(
        self, terms: FetchTerms, session: aiohttp.ClientSession, passes: Callable[[IpAddress], bool]
    ) -> None:
        self._terms = terms
        self._session = session
        self._passes = passes
        self._turns = asyncio.Semaphore(terms.parallel)
        self._waiting = 0

    @classmethod
    async def open(
        cls,
        terms: FetchTerms,
        resolver: AbstractResolver | None = None,
        passes: Callable[[IpAddress], bool] = is_public,
    ) -> Self:
        """A fetcher; to be closed."""
        checked = CheckedResolver(resolver or aiohttp.ThreadedResolver(), passes)
        connector = aiohttp.TCPConnector(
            resolver=checked, use_dns_cache=False, limit=terms.parallel, force_close=True
        )
        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None),  # ours is over all redirects together
            auto_decompress=False,
            trust_env=False,
        )
        return cls(terms, session, passes)

    async def fetch(self, uri: str) -> bytes:
        """The bytes at an address, whatever they claim to be; errors as of ports.Fetcher."""
        url = self._terms.hosts.checked(uri)
        if self._turns.locked() and self._waiting >= _WAITING_LIMIT:
            raise SoutuError(Reason.QUEUE_FULL, "Too many pictures are being fetched; retry shortly.")
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            async with asyncio.timeout(self._terms.seconds):
                return await self._fetched(url)
        except TimeoutError as error:
            raise SoutuError(Reason.URI_TOO_SLOW) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SoutuError(Reason.URI_UNREACHABLE) from error
        finally:
            self._turns.release()

    async def _fetched(self, url: URL) -> bytes:
        for _ in range(self._terms.redirects + 1):
            if address := literal(url.raw_host or ""):
                check_address(address, self._passes)
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await self._body(response)
                target = response.headers.get("Location", "")
            url = self._terms.hosts.checked(_joined(url, target))
        raise SoutuError(
            Reason.URI_REFUSED, f"The address redirects more than {self._terms.redirects} times."
        )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        if response.status != HTTPStatus.OK:
            raise SoutuError(
                Reason.URI_REFUSED,
                f"The address answers with status {response.status}.",
                status=response.status,
            )
        limit = self._terms.size_bytes
        if (response.content_length or 0) > limit:
            raise too_large(limit)
        chunks: AsyncIterator[bytes] = response.content.iter_chunked(_CHUNK_BYTES)
        return await gathered(chunks, response.headers.get("Content-Encoding", ""), limit)

    async def close(self) -> None:
        """Lets go of connections."""
        await self._session.close()


def check_address(address: IpAddress, passes: Callable[[IpAddress], bool]) -> None:
    """URI_ADDRESS_NOT_ALLOWED unless it passes."""
    if not passes(address):
        raise SoutuError(Reason.URI_ADDRESS_NOT_ALLOWED)


def _joined(url: URL, target: str) -> str:
    """Where a redirect leads; URI_REFUSED where that cannot be told."""
    try:
        return str(url.join(URL(target))) if target else ""
    except ValueError as error:
        raise SoutuError(Reason.URI_REFUSED, "The address redirects to one that cannot be parsed.") from error
