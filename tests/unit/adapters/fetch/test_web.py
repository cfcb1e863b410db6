"""Fetching from real servers on this machine, which a resolver and a rule of the tests let pass."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from soutu.adapters.fetch.addresses import IpAddress, is_public
from soutu.adapters.fetch.hosts import AllowedHosts
from soutu.adapters.fetch.web import FetchTerms, WebFetcher
from soutu.domain.errors import Reason, SoutuError

PICTURE = bytes(range(256)) * 40
HOME = ip_address("127.0.0.1")


class Names(AbstractResolver):
    """Resolves names as the test says, in turn where there are several answers to a name."""

    def __init__(self, **addresses: list[list[str]]) -> None:
        self.asked: list[str] = []
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self._addresses.get(host.partition(".")[0])
        if not answers:
            raise OSError(None, "no such name")
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [_result(host, port, each) for each in found]

    async def close(self) -> None:
        """Nothing is open."""


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
    )


class Site:
    """A web server; `requests` are those that reached it."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.port = 0

    def uri(self, path: str, host: str = "pictures.test") -> str:
        return f"http://{host}:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        pages: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
            "picture": self._picture,
            "status": self._status,
            "to": self._redirect,
            "loop": self._loop,
            "endless": self._endless,
            "lying": self._lying,
            "short": self._short,
            "slow": self._slow,
            "packed": self._packed,
        }
        return await pages[request.match_info["page"]](request)

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=PICTURE, content_type="text/html", headers={"Set-Cookie": "a=b; Path=/"})

    async def _status(self, request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=int(request.query["code"]), body=b"" if request.query["code"] == "204" else PICTURE
        )

    async def _redirect(self, request: web.Request) -> web.StreamResponse:
        headers = {"Location": request.query["at"]} if "at" in request.query else {}
        return web.Response(status=int(request.query.get("code", "302")), headers=headers)

    async def _loop(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"/loop?n={len(self.requests)}"})

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100_000):
            await response.write(bytes(10_000))
        return response

    async def _lying(self, request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + PICTURE)
        request.transport.close()
        return web.Response()

    async def _short(self, request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + PICTURE[:500])
        request.transport.close()
        return web.Response()

    async def _slow(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x")
            await asyncio.sleep(0.05)
        return response

    async def _packed(self, request: web.Request) -> web.StreamResponse:
        body = gzip.compress(bytes(int(request.query["size"])))
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    application = web.Application()
    application.router.add_get("/{page}", site.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.port = runner.addresses[0][1]
    yield site
    await runner.cleanup()


@asynccontextmanager
async def fetching(
    site: Site, names: Names | None = None, passes: Callable[[IpAddress], bool] | None = None, **terms: float
) -> AsyncIterator[WebFetcher]:
    """A fetcher that takes this machine for public, and knows pictures.test and other.test as names of it."""
    hosts = AllowedHosts(
        [f"{name}:{site.port}" for name in ("pictures.test", "127.0.0.1", "*.test")], http=True
    )
    fetcher = await WebFetcher.open(
        FetchTerms(hosts, **{"size_bytes": 100_000, **terms}),  # type: ignore[arg-type]
        names or Names(pictures=[["127.0.0.1"]], other=[["127.0.0.1"]]),
        passes or (lambda address: address == HOME or is_public(address)),
    )
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def reason_of(fetcher: WebFetcher, uri: str) -> Reason:
    with pytest.raises(SoutuError) as refused:
        await fetcher.fetch(uri)
    return refused.value.reason


async def test_the_bytes_come_whatever_they_are_said_to_be(site: Site) -> None:
    async with fetching(site) as fetcher:
        assert await fetcher.fetch(site.uri("/picture")) == PICTURE
        assert await fetcher.fetch(f"http://127.0.0.1:{site.port}/picture") == PICTURE


async def test_nothing_of_ours_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with fetching(site) as fetcher:
        for _ in range(2):
            assert await fetcher.fetch(site.uri("/picture#part")) == PICTURE
    headers = site.requests[1].headers
    assert "Cookie" not in headers
    assert "Authorization" not in headers
    assert headers["Accept-Encoding"] == "identity"
    assert headers["User-Agent"] == "Soutu"


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_to_an_allowed_host(site: Site, code: int) -> None:
    async with fetching(site) as fetcher:
        there = site.uri("/picture", "other.test")
        assert await fetcher.fetch(site.uri(f"/to?code={code}&at={there}")) == PICTURE
        assert await fetcher.fetch(site.uri("/to?at=/picture")) == PICTURE


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://elsewhere.org/picture", Reason.URI_NOT_ALLOWED),
        ("http://pictures.test/picture", Reason.URI_NOT_ALLOWED),
        ("file:///etc/passwd", Reason.URI_INVALID),
        ("http://user:secret@pictures.test/picture", Reason.URI_INVALID),
        ("gopher://pictures.test/", Reason.URI_INVALID),
        ("http://inside.test:{port}/picture", Reason.URI_ADDRESS_NOT_ALLOWED),
        ("http://[::1", Reason.URI_REFUSED),
    ],
)
async def test_every_redirect_passes_the_same_checks(site: Site, target: str, reason: Reason) -> None:
    names = Names(pictures=[["127.0.0.1"]], inside=[["10.0.0.7"]])
    async with fetching(site, names) as fetcher:
        assert await reason_of(fetcher, site.uri("/to?at=" + target.format(port=site.port))) is reason
    assert len(site.requests) == 1


async def test_redirects_end(site: Site) -> None:
    async with fetching(site, redirects=2) as fetcher:
        assert await reason_of(fetcher, site.uri("/loop")) is Reason.URI_REFUSED
        assert len(site.requests) == 3
        assert await reason_of(fetcher, site.uri("/to")) is Reason.URI_INVALID


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["93.184.216.34", "192.168.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["0.0.0.0"],
    ],
)
async def test_a_name_with_an_address_inside_is_refused_unconnected(site: Site, addresses: list[str]) -> None:
    async with fetching(site, Names(pictures=[addresses]), is_public) as fetcher:
        assert await reason_of(fetcher, site.uri("/picture")) is Reason.URI_ADDRESS_NOT_ALLOWED
    assert site.requests == []


async def test_an_address_written_out_is_checked_too(site: Site) -> None:
    async with fetching(site, passes=is_public) as fetcher:
        assert (
            await reason_of(fetcher, f"http://127.0.0.1:{site.port}/picture")
            is Reason.URI_ADDRESS_NOT_ALLOWED
        )
    assert site.requests == []


async def test_a_name_that_changes_its_address_is_looked_up_once_for_each_connection(site: Site) -> None:
    """The second answer would be let in where a check and the connection resolved apart."""
    names = Names(pictures=[["127.0.0.1"], ["10.0.0.1"]])
    async with fetching(site, names) as fetcher:
        assert await fetcher.fetch(site.uri("/picture")) == PICTURE
        assert names.asked == ["pictures.test"]
        assert await reason_of(fetcher, site.uri("/picture")) is Reason.URI_ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize("page", ["/endless", "/packed?size=50000000"])
async def test_too_many_bytes_are_refused_as_they_come(site: Site, page: str) -> None:
    async with fetching(site) as fetcher:
        assert await reason_of(fetcher, site.uri(page)) is Reason.IMAGE_TOO_LARGE


async def test_a_length_that_is_too_much_is_refused_at_once_and_one_that_lies_is_not_believed(
    site: Site,
) -> None:
    async with fetching(site, size_bytes=5_000) as fetcher:
        assert await reason_of(fetcher, site.uri("/picture")) is Reason.IMAGE_TOO_LARGE
        assert await reason_of(fetcher, site.uri("/lying")) is Reason.URI_UNREACHABLE
        assert await reason_of(fetcher, site.uri("/short")) is Reason.IMAGE_TOO_LARGE
    async with fetching(site) as fetcher:
        assert await reason_of(fetcher, site.uri("/short")) is Reason.URI_UNREACHABLE


async def test_packed_answers_are_unpacked(site: Site) -> None:
    async with fetching(site) as fetcher:
        assert await fetcher.fetch(site.uri("/packed?size=9000")) == bytes(9_000)


@pytest.mark.parametrize("code", [201, 204, 206, 304, 400, 401, 404, 418, 500, 503])
async def test_any_status_but_200_is_refused(site: Site, code: int) -> None:
    async with fetching(site) as fetcher:
        assert await reason_of(fetcher, site.uri(f"/status?code={code}")) is Reason.URI_REFUSED


async def test_a_slow_site_has_its_time_and_no_more(site: Site) -> None:
    async with fetching(site, seconds=0.2) as fetcher:
        assert await reason_of(fetcher, site.uri("/slow")) is Reason.URI_TOO_SLOW
        assert await fetcher.fetch(site.uri("/picture")) == PICTURE


async def test_what_is_not_there_is_unreachable(site: Site) -> None:
    async with fetching(site, Names(pictures=[["127.0.0.1"]])) as fetcher:
        assert await reason_of(fetcher, site.uri("/picture", "nobody.test")) is Reason.URI_UNREACHABLE
        assert await reason_of(fetcher, f"https://127.0.0.1:{site.port}/picture") is Reason.URI_UNREACHABLE


async def test_no_more_than_a_few_are_fetched_or_wait_at_a_time(site: Site) -> None:
    async with fetching(site, parallel=1, seconds=0.3) as fetcher:
        calls = [asyncio.create_task(reason_of(fetcher, site.uri("/slow"))) for _ in range(66)]
        done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result() for task in done} == {Reason.QUEUE_FULL}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert await fetcher.fetch(site.uri("/picture")) == PICTURE
