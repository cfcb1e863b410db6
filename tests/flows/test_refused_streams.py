"""Streamed uploads that are refused while their client still sends: it is told why, by whatever client."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import grpc
import pytest

from soutu.client import Client, SoutuCallError
from soutu.v1.image_service_pb2 import StreamUploadImageRequest, UploadImageRequest
from soutu.v1.image_service_pb2_grpc import ImageServiceStub
from tests.flows.keyring import Keyring
from tests.flows.served import Served

MIB = 2**20
CALLS = 8
MOST_S = 5.0  # that a refusal waits for what is still sent
SLOW_S = 5.0
OPTIONS = [("grpc.enable_retries", 0)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that takes images of one MiB, with a collection "c"."""
    directory = tmp_path_factory.mktemp("small")
    with Served(directory, settings={"SOUTU_DECODE_IMAGE_BYTES": f"{MIB}"}) as served:
        served.client.collections.create("c")
        yield served


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that wants keys."""
    directory = tmp_path_factory.mktemp("keyed")
    settings = {"SOUTU_ACCESS_KEYS_FILE": str(Keyring(directory).file)}
    with Served(directory, settings=settings) as served:
        yield served


def messages(pieces: int, size_bytes: int) -> Iterator[StreamUploadImageRequest]:
    yield StreamUploadImageRequest(upload=UploadImageRequest(parent="collections/c"))
    for _ in range(pieces):
        yield StreamUploadImageRequest(chunk=bytes(size_bytes))


async def written(stub: ImageServiceStub, pieces: int, size_bytes: int) -> object:
    """One upload, message by message."""
    call: Any = stub.StreamUploadImage(timeout=30)  # type: ignore[call-arg]
    try:
        for message in messages(pieces, size_bytes):
            await call.write(message)
        await call.done_writing()
    except asyncio.InvalidStateError:  # the call has ended; it says how
        pass
    return await call


async def iterated(stub: ImageServiceStub, pieces: int, size_bytes: int) -> object:
    """One upload, of what is at hand."""

    async def ready() -> AsyncIterator[StreamUploadImageRequest]:
        for message in messages(pieces, size_bytes):
            yield message

    call: Any = stub.StreamUploadImage  # the stubs know no asyncio
    return await call(ready(), timeout=30)


Upload = Callable[[ImageServiceStub, int, int], Coroutine[Any, Any, object]]


async def statuses(address: str, upload: Upload, pieces: int, size_bytes: int) -> Counter[str]:
    """What so many calls are refused with, one after the other."""
    told: Counter[str] = Counter()
    async with grpc.aio.insecure_channel(address, OPTIONS) as channel:
        for _ in range(CALLS):
            try:
                await upload(ImageServiceStub(channel), pieces, size_bytes)
            except grpc.RpcError as error:
                told[error.code().name] += 1
    return told


SIZES = {"few small": (20, 1024), "large": (30, MIB), "many": (500, 2**14)}


@pytest.mark.parametrize("upload", [written, iterated])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
async def test_a_stranger_that_still_sends_is_told_that_a_key_is_missing(
    keyed: Served, upload: Upload, sizes: tuple[int, int]
) -> None:
    assert await statuses(keyed.address, upload, *sizes) == {"UNAUTHENTICATED": CALLS}


@pytest.mark.parametrize("upload", [written, iterated])
@pytest.mark.parametrize("sizes", [SIZES["large"], SIZES["many"]], ids=["large", "many"])
async def test_who_sends_too_much_is_told_so(small: Served, upload: Upload, sizes: tuple[int, int]) -> None:
    assert await statuses(small.address, upload, *sizes) == {"INVALID_ARGUMENT": CALLS}


def test_our_client_is_told_both(keyed: Served, small: Served) -> None:
    picture = bytes(15 * MIB)
    with pytest.raises(SoutuCallError) as refused:
        small.client.images.upload("c", picture)
    assert refused.value.reason == "IMAGE_TOO_LARGE"
    with Client(keyed.address) as stranger, pytest.raises(SoutuCallError) as refused:
        stranger.images.upload("c", picture)
    assert refused.value.reason == "UNAUTHENTICATED"


def test_who_never_ends_is_refused_all_the_same(keyed: Served) -> None:
    def endless() -> Iterator[StreamUploadImageRequest]:
        while True:
            yield StreamUploadImageRequest(chunk=b"x")
            time.sleep(0.01)

    began_s = time.monotonic()
    with grpc.insecure_channel(keyed.address, OPTIONS) as channel, pytest.raises(grpc.RpcError) as refused:
        ImageServiceStub(channel).StreamUploadImage(endless(), timeout=60)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert MOST_S / 2 < time.monotonic() - began_s < MOST_S + SLOW_S
