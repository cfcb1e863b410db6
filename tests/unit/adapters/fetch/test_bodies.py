import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from soutu.adapters.fetch.bodies import gathered
from soutu.domain.errors import Reason, SoutuError

BODY = b"picture" * 100
GZIPPED = gzip.compress(BODY, mtime=0)  # without the time, tests have the same names every time


async def chunks(data: bytes, size: int = 10) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def reason_of(data: bytes, encoding: str, limit: int = 10_000) -> Reason:
    with pytest.raises(SoutuError) as refused:
        await gathered(chunks(data), encoding, limit)
    return refused.value.reason


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [("", BODY), ("identity", BODY), (" GZIP ", GZIPPED), ("deflate", zlib.compress(BODY))],
)
async def test_bodies_are_unpacked_up_to_the_limit(encoding: str, sent: bytes) -> None:
    assert await gathered(chunks(sent), encoding, len(BODY)) == BODY
    assert await reason_of(sent, encoding, len(BODY) - 1) is Reason.IMAGE_TOO_LARGE


async def test_a_packed_bomb_is_unpacked_no_further_than_the_limit() -> None:
    taken = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        async for chunk in chunks(gzip.compress(bytes(50_000_000)), 1_000):
            taken += 1
            yield chunk

    with pytest.raises(SoutuError, match="more than 1,000 bytes"):
        await gathered(counted(), "gzip", 1_000)
    assert taken == 1


async def test_what_does_not_unpack_is_refused() -> None:
    assert await reason_of(b"no gzip", "gzip") is Reason.URI_REFUSED
    assert await reason_of(gzip.compress(BODY)[:-9], "gzip") is Reason.URI_REFUSED
    assert await reason_of(BODY, "br") is Reason.URI_REFUSED
    assert await reason_of(BODY, "gzip, gzip") is Reason.URI_REFUSED
