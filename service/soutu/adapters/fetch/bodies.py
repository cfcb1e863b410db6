"""The bytes of an answer, unpacked as they come and never more of them than are allowed."""

import zlib
from collections.abc import AsyncIterator

from soutu.domain.errors import Reason, SoutuError

_WBITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


async def gathered(chunks: AsyncIterator[bytes], encoding: str, limit: int) -> bytes:
    """All bytes of an answer in a content encoding: IMAGE_TOO_LARGE as soon as there are more than `limit`,
    URI_REFUSED for an encoding that is not known or does not unpack."""
    unpacker = _unpacker(encoding)
    body = bytearray()
    async for chunk in chunks:
        body += _unpacked(unpacker, chunk, limit + 1 - len(body)) if unpacker else chunk
        if len(body) > limit:
            raise too_large(limit)
    if unpacker and not unpacker.eof:
        raise SoutuError(Reason.URI_REFUSED, "The answer is packed and does not unpack to its end.")
    return bytes(body)


def too_large(limit: int) -> SoutuError:
    """The error for more bytes than are fetched."""
    sentence = f"There are more than {limit:,} bytes at the address (fetch.image_bytes)."
    return SoutuError(Reason.IMAGE_TOO_LARGE, sentence, limit="size_bytes")


def _unpacker(encoding: str) -> "zlib._Decompress | None":
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name not in _WBITS:
        raise SoutuError(Reason.URI_REFUSED, "The answer is packed in a way that was not asked for.")
    return zlib.decompressobj(_WBITS[name])


def _unpacked(unpacker: "zlib._Decompress", chunk: bytes, most: int) -> bytes:
    try:
        return unpacker.decompress(chunk, most)
    except zlib.error as error:
        raise SoutuError(Reason.URI_REFUSED, "The answer is packed and does not unpack.") from error
