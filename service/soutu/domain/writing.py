"""Writes as the catalogue takes them: what to put or remove, and what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from soutu.domain.embedding import Vector
from soutu.domain.errors import SoutuError
from soutu.domain.image import Content, Image, Metadata, Origin, Original
from soutu.domain.labels import PredictedLabel
from soutu.domain.model import ModelRef


class OnConflict(StrEnum):
    """What a put does when its image id is taken."""

    FAIL = "fail"
    REPLACE = "replace"


class OnDuplicate(StrEnum):
    """What a put does when the collection holds the same bytes under another id."""

    CREATE = "create"
    RETURN_EXISTING = "return_existing"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Put:
    """An image to write, with its embedding under each model that a generation of the collection uses.
    `labels` are those that the image's embedding was given.

    With `started_at`, an image of this id or origin that was deleted after that revision of the collection
    stays deleted: the put fails with IMAGE_CHANGED_MEANWHILE. So does one with `held`, which says that the
    content was recorded and stored before, if it has been purged since.
    """

    image_id: str
    content: Content
    original: Original
    metadata: Metadata
    embeddings: Mapping[ModelRef, Vector]
    origin: Origin | None = None
    on_conflict: OnConflict = OnConflict.FAIL
    on_duplicate: OnDuplicate = OnDuplicate.CREATE
    started_at: int | None = None
    held: bool = False
    labels: tuple[PredictedLabel, ...] = ()


@dataclass(frozen=True, slots=True)
class Revise:
    """New metadata for an image; with `etag`, only if the image still has it."""

    image_id: str
    metadata: Metadata
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Remove:
    """An image to delete; with `etag`, only if the image still has it."""

    image_id: str
    etag: str = ""
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """The image's file is elsewhere now: a new origin and location for the same content; with `etag`, only if
    the image still has it. IMAGE_EXISTS where another image has that origin."""

    image_id: str
    origin: Origin
    original: Original
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Relabel:
    """Other labels for an image, if it still has the content that they were predicted of; else, and where it
    has these labels already, nothing changes."""

    image_id: str
    sha256: str
    labels: tuple[PredictedLabel, ...] = ()


Write = Put | Revise | Remove | Move | Relabel


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request id and the hash of what it asked, so that a retry gets the first answer.

    `id` is unique within a collection for at least 24 hours.
    """

    id: str
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an operation has come: written in the same transaction as the shard that got it there.

    With `owner`, only while that owner holds the operation's lease.
    """

    operation_uid: int
    cursor: str
    done: int
    failed: int
    failures: tuple["Failure", ...] = ()
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """One item that an operation could not handle, by its path or id."""

    subject: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Written:
    """A write in force. `image` is as written (None for a removal); `created` is false where an existing
    image was returned, replaced or revised."""

    image: Image | None
    revision: int
    created: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """What one transaction did: an outcome per write, in order, and the collection's revision after it.

    `replayed` says that the request id was known and these are the first call's outcomes.
    """

    outcomes: tuple[Written | SoutuError, ...]
    revision: int
    replayed: bool = False

    def refusals(self, writes: Sequence[Write]) -> tuple[Failure, ...]:
        """Those of its writes that were refused, as failures of their images."""
        return tuple(
            Failure(write.image_id, outcome.reason.name, outcome.message)
            for write, outcome in zip(writes, self.outcomes, strict=True)
            if isinstance(outcome, SoutuError)
        )


Reckoning = Callable[[Commit], Checkpoint]
"""What an operation records, once it is known what came of the shard's writes; asked any number of times."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a write has done, for clients: the opaque revision, and whether searches show it already."""

    revision: str
    indexed: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A row that an index must take over: as it is now, or gone (`image` None).

    `vector` is None where the embedding under the asked model is not stored yet.
    """

    uid: int
    revision: int
    image: Image | None = field(default=None)
    vector: Vector | None = None
