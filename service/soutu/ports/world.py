"""The machine, the models and what keeps bytes."""

from collections.abc import AsyncIterator, Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from soutu.domain.access import KeyRing
from soutu.domain.embedding import Vectors
from soutu.domain.image import Image
from soutu.domain.model import ModelCard, ModelRef


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, for durations."""
        ...


class ModelStore(Protocol):
    """The models that may be served: immutable folders with a card."""

    def list(self) -> Sequence[ModelCard]: ...

    def card(self, name: str) -> ModelCard:
        """The card of `name@version`, or of the newest version of `name`; else MODEL_NOT_FOUND."""
        ...

    def artefact(self, ref: ModelRef) -> Path: ...

    def text_artefact(self, ref: ModelRef) -> Path:
        """That of its text tower; TEXT_UNSUPPORTED where it has none."""
        ...

    def tokenizer(self, ref: ModelRef) -> Path:
        """Of its text tower: a file of the `tokenizers` library; TEXT_UNSUPPORTED."""
        ...

    def add(self, folder: Path) -> ModelCard:
        """Takes a copy of a folder with card and artefact; MODEL_INVALID, MODEL_EXISTS."""
        ...


class Embedder(Protocol):
    """Runs models."""

    async def embed(self, model: ModelRef, pixels: NDArray[np.uint8]) -> Vectors:
        """Unit vectors, float32 (n, dimension), for uint8 RGB pixels (n, height, width, 3)."""
        ...

    async def embed_texts(self, model: ModelRef, tokens: NDArray[np.int64]) -> Vectors:
        """Unit vectors, float32 (n, dimension), of the same space for token ids (n, context);
        TEXT_UNSUPPORTED where the model has no text tower."""
        ...

    async def load(self, model: ModelRef) -> None:
        """Makes the model, with its text tower, ready before it is first used; MODEL_NOT_FOUND,
        INFERENCE_UNAVAILABLE."""
        ...

    async def unload(self, model: ModelRef) -> None:
        """Frees what it holds; it is loaded again when it is used."""
        ...

    async def loaded(self) -> Set[ModelRef]:
        """Those that are ready to run; none where nothing runs at present."""
        ...

    async def ping(self) -> None:
        """Returns if what runs them answers, with those ready that were loaded; INFERENCE_UNAVAILABLE."""
        ...

    async def close(self) -> None: ...


class ObjectStore(Protocol):
    """Immutable bytes under keys such as "contents/ab/abcd..."; a put is durable when it returns."""

    async def put(self, key: str, data: bytes) -> None:
        """Stores the bytes; a key always stands for the same bytes: putting them again mends damage."""
        ...

    async def get(self, key: str) -> bytes:
        """CONTENT_LOST if there is nothing under the key."""
        ...

    def stream(self, key: str, chunk_bytes: int) -> AsyncIterator[bytes]: ...

    async def exists(self, key: str) -> bool: ...

    async def delete(self, key: str) -> None: ...


class Originals(Protocol):
    """Reads the bytes behind images, wherever they are kept."""

    async def read(self, image: Image) -> bytes:
        """The very bytes that were indexed: ORIGINAL_GONE, ORIGINAL_CHANGED, CONTENT_LOST otherwise."""
        ...


class Fetcher(Protocol):
    """Pictures from elsewhere."""

    async def fetch(self, uri: str) -> bytes:
        """The bytes at an address. URI_DISABLED, URI_INVALID, URI_NOT_ALLOWED, URI_ADDRESS_NOT_ALLOWED,
        URI_UNREACHABLE, URI_REFUSED, URI_TOO_SLOW; IMAGE_TOO_LARGE; QUEUE_FULL."""
        ...

    async def close(self) -> None: ...


class Cache(Protocol):
    """Bytes under bytes, for a while: what is put may be gone at any time, and a cache that is down says so
    only by forgetting."""

    async def get(self, key: bytes) -> bytes | None: ...

    async def put(self, key: bytes, value: bytes) -> None:
        """Hands the value over: this process finds it from now on, for as long as nothing goes wrong."""
        ...

    async def ping(self) -> None:
        """Returns if it answers; CACHE_UNAVAILABLE."""
        ...

    async def clear(self) -> None:
        """Forgets everything; CACHE_UNAVAILABLE where that cannot be made sure of."""
        ...

    async def close(self) -> None: ...


class Keys(Protocol):
    """The keys that callers may have."""

    @property
    def ring(self) -> KeyRing:
        """Those in force at this moment."""
        ...
