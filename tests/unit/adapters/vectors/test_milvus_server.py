"""A Milvus that is not there: refused at once, and left alone for a while."""

import asyncio
import socket
import time

import pytest

from scripts.stack.places import free_port
from soutu.adapters.vectors.milvus import MilvusIndex
from soutu.adapters.vectors.milvus_server import MilvusAddress, MilvusServer
from soutu.domain.collection import IndexSpec
from soutu.domain.errors import Reason, SoutuError


async def reason_of(index: MilvusIndex) -> Reason:
    with pytest.raises(SoutuError) as failure:
        await index.open(1, 8, IndexSpec())
    return failure.value.reason


async def test_a_server_that_is_away_costs_no_time() -> None:
    address = MilvusAddress(f"http://127.0.0.1:{free_port()}")
    index = MilvusIndex.connected(address, prefix="t", wait_s=30, build_wait_s=30)
    begun = time.monotonic()
    assert [await reason_of(index) for _ in range(50)] == [Reason.INDEX_UNAVAILABLE] * 50
    assert time.monotonic() - begun < 5
    await index.close()


async def test_a_server_that_says_nothing_costs_its_wait() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = MilvusAddress(f"http://127.0.0.1:{silent.getsockname()[1]}")
        index = MilvusIndex.connected(address, prefix="t", wait_s=0.3, build_wait_s=1)
        begun = time.monotonic()
        assert await reason_of(index) is Reason.INDEX_UNAVAILABLE
        assert 0.25 < time.monotonic() - begun < 5
        await index.close()


async def test_a_call_that_is_given_up_is_not_taken_for_a_failure() -> None:
    server = MilvusServer.connected(MilvusAddress("http://127.0.0.1:1"), wait_s=30)

    async def never(_: object) -> None:
        await asyncio.Event().wait()

    for _ in range(3):
        asked = asyncio.create_task(server.asked(never))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
    await server.close()


@pytest.mark.parametrize("url", ["http://host:19530", "http://host:19530/", "https://host:19530"])
def test_the_host_is_what_pymilvus_files_by(url: str) -> None:
    assert MilvusAddress(url).host == "host:19530"


@pytest.mark.parametrize(
    ("given", "credentials"),
    [
        ({}, ""),
        ({"token": "t"}, "t"),
        ({"user": "me", "password": "mine"}, "me:mine"),
        ({"user": "me"}, ""),
        ({"token": "t", "user": "me", "password": "mine"}, "t"),
    ],
)
def test_a_token_goes_before_user_and_password(given: dict[str, str], credentials: str) -> None:
    assert MilvusAddress("http://host:19530", **given).credentials == credentials
