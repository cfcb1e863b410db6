"""What writes do to a collection, worked out in memory before anything is written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from soutu.adapters.catalog.rows import origin_key
from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.domain.image import Image, Origin
from soutu.domain.writing import (
    Move,
    OnConflict,
    OnDuplicate,
    Put,
    Relabel,
    Remove,
    Revise,
    Write,
    Written,
)

DRAFT_UID = 0  # of an image that gets its uid when it is written


@dataclass(frozen=True, slots=True)
class Deletions:
    """The revisions at which images were deleted, by their id and by their origin key."""

    ids: Mapping[str, int] = field(default_factory=dict)
    origin_keys: Mapping[str, int] = field(default_factory=dict)


def runs(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """`writes` in order, cut wherever an image id comes again, so that a run changes each image once."""
    start, seen = 0, set[str]()
    for position, write in enumerate(writes):
        if write.image_id in seen:
            yield writes[start:position]
            start, seen = position, set()
        seen.add(write.image_id)
    if writes:
        yield writes[start:]


class Ledger:
    """The images that a run of writes is about, changed in memory write by write.

    `images` are all that the run's ids, origins and (where duplicates matter) contents name, as they are in
    the database. Afterwards `created`, `changed` and `removed` say what is to be written, each in order.
    """

    def __init__(
        self, collection_uid: int, revision: int, now: datetime, images: Iterable[Image], deletions: Deletions
    ) -> None:
        self.revision = revision
        self.created: list[Image] = []
        self.changed: list[Image] = []
        self.removed: list[tuple[Image, int]] = []  # with the revision of the removal
        self._collection_uid = collection_uid
        self._now = now
        self._deletions = deletions
        self._by_id: dict[str, Image] = {}
        self._by_origin: dict[Origin, Image] = {}
        self._by_content: dict[str, dict[str, Image]] = {}
        for image in images:
            self._enter(image)

    def outcome(self, write: Write) -> Written | SoutuError:
        """Does one write; a failure is its outcome and changes nothing."""
        try:
            match write:
                case Put():
                    return self._put(write)
                case Revise():
                    return self._revise(write)
                case Remove():
                    return self._remove(write)
                case Move():
                    return self._move(write)
                case Relabel():
                    return self._relabel(write)
        except SoutuError as error:
            return error

    def _put(self, put: Put) -> Written:
        _refuse_unwritable(put)
        self._refuse_deleted_meanwhile(put)
        existing = self._occupant(put)
        duplicate = self._duplicate(put)
        if duplicate is not None:
            return Written(duplicate, duplicate.revision, created=False)
        image = self._drawn(put, existing)
        if existing is None:
            self.created.append(image)
        else:
            self._leave(existing)
            self.changed.append(image)
        self._enter(image)
        return Written(image, image.revision, created=existing is None)

    def _revise(self, revise: Revise) -> Written:
        existing = self._existing(revise.image_id, revise.etag)
        image = replace(
            existing, metadata=revise.metadata, revision=self._next_revision(), update_time=self._now
        )
        self._leave(existing)
        self._enter(image)
        self.changed.append(image)
        return Written(image, image.revision, created=False)

    def _remove(self, remove: Remove) -> Written:
        if remove.allow_missing and remove.image_id not in self._by_id:
            return Written(None, self.revision, created=False)
        existing = self._existing(remove.image_id, remove.etag)
        self._leave(existing)
        self.removed.append((existing, self._next_revision()))
        return Written(None, self.revision, created=False)

    def _move(self, move: Move) -> Written:
        _refuse_unwritable(move)
        existing = self._existing(move.image_id, move.etag)
        occupant = self._by_origin.get(move.origin)
        if occupant is not None and occupant is not existing:
            raise _exists(occupant, "came from this very source and path")
        image = replace(
            existing,
            origin=move.origin,
            original=move.original,
            revision=self._next_revision(),
            update_time=self._now,
        )
        self._leave(existing)
        self._enter(image)
        self.changed.append(image)
        return Written(image, image.revision, created=False)

    def _relabel(self, relabel: Relabel) -> Written:
        existing = self._existing(relabel.image_id, "")
        if existing.content.sha256 != relabel.sha256 or existing.labels == relabel.labels:
            return Written(existing, existing.revision, created=False)
        image = replace(existing, labels=relabel.labels, revision=self._next_revision())
        self._leave(existing)
        self._enter(image)
        self.changed.append(image)
        return Written(image, image.revision, created=False)

    def _refuse_deleted_meanwhile(self, put: Put) -> None:
        """Of this run's own deletions only the origins matter: no id comes twice in a run."""
        if put.started_at is None:
            return
        key = origin_key(put.origin) or ""
        here = (at for gone, at in self.removed if put.origin is not None and gone.origin == put.origin)
        before = (self._deletions.ids.get(put.image_id, 0), self._deletions.origin_keys.get(key, 0))
        if max(*before, *here) > put.started_at:
            raise SoutuError(
                Reason.IMAGE_CHANGED_MEANWHILE,
                f"The image {put.image_id} was deleted while the call ran.",
                image=put.image_id,
            )

    def _occupant(self, put: Put) -> Image | None:
        """The image that the put replaces; IMAGE_EXISTS if it may not, or another image has its origin."""
        existing = self._by_id.get(put.image_id)
        same_origin = self._by_origin.get(put.origin) if put.origin else None
        if same_origin is not None and same_origin is not existing:
            raise _exists(same_origin, "came from this very source and path")
        if existing is not None and put.on_conflict is OnConflict.FAIL:
            raise _exists(existing, "has this name")
        return existing

    def _duplicate(self, put: Put) -> Image | None:
        """Another image with the same bytes, where the put wants it: the one made first."""
        if put.on_duplicate is OnDuplicate.CREATE:
            return None
        same = self._by_content.get(put.content.sha256, {}).values()
        others = [image for image in same if image.id != put.image_id]
        if not others:
            return None
        first = min(others, key=lambda image: (image.uid == DRAFT_UID, image.uid, image.revision))
        if put.on_duplicate is OnDuplicate.REJECT:
            message = f"The image {first.id} has these very bytes."
            raise SoutuError(Reason.CONTENT_EXISTS, message, image=first.id)
        return first

    def _drawn(self, put: Put, existing: Image | None) -> Image:
        return Image(
            uid=DRAFT_UID if existing is None else existing.uid,
            collection_uid=self._collection_uid,
            id=put.image_id,
            revision=self._next_revision(),
            content=put.content,
            original=put.original,
            metadata=put.metadata,
            create_time=self._now if existing is None else existing.create_time,
            update_time=self._now,
            origin=put.origin,
            labels=put.labels,
        )

    def _existing(self, image_id: str, etag: str) -> Image:
        image = self._by_id.get(image_id)
        if image is None:
            raise SoutuError(
                Reason.IMAGE_NOT_FOUND, f"The collection has no image {image_id}.", image=image_id
            )
        if etag and etag != image.etag:
            message = f"The image {image_id} has changed since this etag was read; read it again."
            raise SoutuError(Reason.ETAG_MISMATCH, message, image=image_id)
        return image

    def _next_revision(self) -> int:
        self.revision += 1
        return self.revision

    def _enter(self, image: Image) -> None:
        self._by_id[image.id] = image
        if image.origin is not None:
            self._by_origin[image.origin] = image
        self._by_content.setdefault(image.content.sha256, {})[image.id] = image

    def _leave(self, image: Image) -> None:
        del self._by_id[image.id]
        if image.origin is not None:
            del self._by_origin[image.origin]
        del self._by_content[image.content.sha256][image.id]


def _exists(image: Image, how: str) -> SoutuError:
    return SoutuError(Reason.IMAGE_EXISTS, f"The image {image.id} {how} already.", image=image.id)


def _refuse_unwritable(write: Put | Move) -> None:
    """Paths whose bytes are no Unicode (Python's lone surrogates) fit into no text column."""
    origin = write.origin
    texts = (write.original.path, *((origin.source, origin.path) if origin else ()))
    if any(not text.isascii() and _has_surrogate(text) for text in texts):
        raise invalid_field("path", "must be Unicode; rename the file")


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
