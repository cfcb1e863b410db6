"""Page tokens: signed and self-contained, so that any process can continue any search.

A token names the collection and generation by uid, binds the request by hash, carries the query vector, the
images that the query left out and whether it was a text alone, and marks the place by the last match shown.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass

import numpy as np

from soutu.domain.embedding import Vector, from_bytes, to_bytes
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.query import GivenText, GivenVector, ImageBytes, ImageUri, Part, Query, StoredImage

MATCH_LIMIT = 1_000
_HEAD = struct.Struct(">B16s16sQQHfQ?H")
_VERSION = 2
_MAC_BYTES = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after `shown` matches, the last of which has this score and uid."""

    shown: int = 0
    score: float = float("inf")
    uid: int = 0

    def is_before(self, score: float, uid: int) -> bool:
        """Whether a candidate comes after this place, in the order of score and age."""
        return (-score, uid) > (-self.score, self.uid)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page token remembers of its search."""

    collection_uid: int
    generation_uid: int
    place: Place
    vector: Vector
    left_out: frozenset[int]
    words_alone: bool = False


class PageTokens:
    """Writes and reads page tokens under one secret key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, query: Query, page: Page) -> str:
        """The token with which `query` continues at `page`."""
        place = page.place
        head = _HEAD.pack(
            _VERSION,
            _hash_of_bounds(query),
            _hash_of_parts(query.parts),
            page.collection_uid,
            page.generation_uid,
            place.shown,
            place.score,
            place.uid,
            page.words_alone,
            len(page.left_out),
        )
        body = head + struct.pack(f">{len(page.left_out)}Q", *sorted(page.left_out)) + to_bytes(page.vector)
        return base64.urlsafe_b64encode(self._mac(body) + body).rstrip(b"=").decode()

    def read(self, query: Query) -> Page:
        """The page that `query.page_token` asks for; PAGE_TOKEN_INVALID if another request made it."""
        body = self._verified(query.page_token)
        _, bounds, parts, collection, generation, shown, score, uid, words, count = _HEAD.unpack_from(body)
        if bounds != _hash_of_bounds(query) or (query.parts and parts != _hash_of_parts(query.parts)):
            raise SoutuError(
                Reason.PAGE_TOKEN_INVALID, "The page token belongs to a search with other arguments."
            )
        left_out = struct.unpack_from(f">{count}Q", body, _HEAD.size)
        vector = from_bytes(body[_HEAD.size + 8 * count :])
        return Page(collection, generation, Place(shown, score, uid), vector, frozenset(left_out), words)

    def _verified(self, token: str) -> bytes:
        try:
            data = base64.urlsafe_b64decode(token.encode() + b"==")
        except (binascii.Error, ValueError) as error:
            raise SoutuError(Reason.PAGE_TOKEN_INVALID) from error
        mac, body = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if len(body) < _HEAD.size or not hmac.compare_digest(mac, self._mac(body)) or body[0] != _VERSION:
            raise SoutuError(Reason.PAGE_TOKEN_INVALID)
        return body

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]


def _hash_of_bounds(query: Query) -> bytes:
    """Binds what must be the same on every page; the page size may change."""
    bounds = (
        query.collection_id,
        query.generation_id,
        sorted(query.exclude),
        query.include_query_images,
        query.score_floor,
        query.candidates,
        query.filter,
        query.exact,
        query.boosts,
    )
    return hashlib.sha256(repr(bounds).encode()).digest()[:16]


def _hash_of_parts(parts: tuple[Part, ...]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr((part.weight, type(part.subject).__name__)).encode())
        digest.update(_bytes_of(part))
    return digest.digest()[:16]


def _bytes_of(part: Part) -> bytes:
    match part.subject:
        case ImageBytes(data, region, sha256):
            return (sha256 or hashlib.sha256(data).digest()) + repr(region).encode()
        case ImageUri(uri, region, _):
            return repr((uri, region)).encode()
        case StoredImage(image_id, region):
            return repr((image_id, region)).encode()
        case GivenText(text):
            return text.encode()
        case GivenVector(values):
            return np.ascontiguousarray(values, np.float32).tobytes()
