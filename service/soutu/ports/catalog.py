"""The database that everything else can be made again from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from soutu.domain.backup import Snapshot
from soutu.domain.collection import (
    Collection,
    CollectionChanges,
    CollectionDraft,
    CollectionStatistics,
    Generation,
    GenerationDraft,
    GenerationState,
    Head,
)
from soutu.domain.embedding import Vector
from soutu.domain.filter import Field, Filter, Listing, Value
from soutu.domain.image import Content, Image, KnownFile
from soutu.domain.lead import Lead, Standing
from soutu.domain.model import ModelRef
from soutu.domain.operation import Holding, Operation, OperationKind, OperationState, Progress
from soutu.domain.query import Joined
from soutu.domain.writing import Change, Checkpoint, Commit, Failure, Reckoning, Request, Write

CaughtUp = Callable[[int], Awaitable[bool]]
"""Whether a generation has followed its collection up to a revision, which it may wait for."""


class CollectionCatalog(Protocol):
    """Collections and generations."""

    async def create_collection(self, draft: CollectionDraft) -> Collection: ...

    async def head(self, collection_id: str, generation_id: str = "") -> Head:
        """The collection with its active or the named generation; COLLECTION_NOT_FOUND and so on."""
        ...

    async def recent_head(self, collection_id: str, generation_id: str = "") -> Head:
        """As `head`, or as it was seen last: `joined` tells whether it still holds."""
        ...

    async def joined(self, head: Head, uids: Sequence[int], told: Joined | None = None) -> Joined:
        """The join of a search; without a read where `told`, what `joined` said without uids since the search
        began, and what is remembered say it all. It is to be from after whatever the index has shown of these
        images. COLLECTION_NOT_FOUND or GENERATION_NOT_FOUND once what the head is about is gone."""
        ...

    def tells_ahead(self) -> bool:
        """Whether it will probably do to ask `joined` of the head alone, before the candidates are known."""
        ...

    async def collections(self, after_id: str, limit: int) -> Sequence[Collection]: ...

    async def update_collection(self, uid: int, changes: CollectionChanges, etag: str = "") -> Collection:
        """ETAG_MISMATCH; FIELD_INVALID where an attribute would get another type; COLLECTION_NOT_FOUND."""
        ...

    async def statistics(self, collection_uid: int) -> CollectionStatistics: ...

    async def delete_collection(self, uid: int) -> None:
        """Frees the id at once and removes rows, embeddings no longer needed, generations and operations."""
        ...

    async def generations(self, collection_uid: int | None = None) -> Sequence[Generation]: ...

    async def create_generation(
        self, collection_uid: int, draft: GenerationDraft, *, publish: bool
    ) -> Operation:
        """A new generation, BUILDING, with the PENDING operation that builds it, whose request holds its
        "generation" (id), its "uid" and "publish". It is named here where the draft's id is empty.
        COLLECTION_NOT_FOUND, GENERATION_EXISTS."""
        ...

    async def publish_generation(self, generation: Generation, caught_up: CaughtUp) -> bool:
        """Makes a READY generation the active one, at a revision that `caught_up` says yes to: false
        otherwise. Commits that other processes make to the collection wait until it has answered, which is to
        take two seconds at the most; those of this one the caller holds. GENERATION_NOT_FOUND,
        GENERATION_UNREADY."""
        ...

    async def create_replacement(self, old: Generation, generation_id: str) -> Generation:
        """A generation like `old`, BUILDING, under this id: the one that is there already, or a new one."""
        ...

    async def set_candidates(self, generation_uid: int, candidates: int) -> None: ...

    async def replace_generation(self, old: Generation, new: Generation, caught_up: CaughtUp) -> bool:
        """Gives `new` the id, state and rank of `old`, which is forgotten; `caught_up` as for publishing."""
        ...

    async def delete_generation(self, generation: Generation) -> None:
        """Forgets the generation, and embeddings that no generation needs any more; GENERATION_ACTIVE."""
        ...

    async def set_followed(
        self,
        generation_uid: int,
        revision: int,
        failures: Sequence[Failure] = (),
        lead: Lead | None = None,
    ) -> None:
        """Records how far the index follows and, with the operation that builds the generation, what could
        not be taken over on the way. Revision 0 begins anew: failures recorded before are forgotten.
        LeadLostError where a lead is given that is not held."""
        ...

    async def set_generation_state(self, generation_uid: int, state: GenerationState) -> None: ...


class ImageCatalog(Protocol):
    """Images, contents and embeddings; every write moves the collection's revision, one per changed image."""

    async def commit(
        self,
        collection_uid: int,
        writes: Sequence[Write],
        *,
        request: Request | None = None,
        checkpoint: Checkpoint | Reckoning | None = None,
    ) -> Commit:
        """All of it in one transaction; a write that cannot be is an outcome, and the others go on.
        COLLECTION_NOT_FOUND; REQUEST_ID_REUSED; IMAGE_CHANGED_MEANWHILE when the checkpoint's operation is
        no longer running (cancelled or taken over)."""
        ...

    async def image(self, collection_uid: int, image_id: str) -> Image: ...

    async def images(self, collection_uid: int, uids: Sequence[int]) -> Mapping[int, Image]:
        """The images among `uids` that exist now, in one read."""
        ...

    async def list_images(self, collection_uid: int, after_id: str, limit: int) -> Sequence[Image]: ...

    async def find_images(
        self, collection_uid: int, listing: Listing, after: Sequence[object], limit: int
    ) -> Sequence[Image]:
        """Up to `limit` images of the listing, in its order, behind the image whose keys of the order (None
        for a field that is not set) and whose id `after` holds; from the first on where it is empty."""
        ...

    async def find_uids(self, collection_uid: int, filter_: Filter, limit: int) -> Sequence[int]:
        """The uids of up to `limit` images that satisfy the filter, in no order."""
        ...

    async def count_images(self, collection_uid: int, filter_: Filter) -> int:
        """How many images satisfy the filter."""
        ...

    async def facet(
        self, collection_uid: int, filter_: Filter | None, field: Field, limit: int
    ) -> Sequence[tuple[Value, int]]:
        """Up to `limit` values of a field, or items of a set, with how many of the images that satisfy the
        filter have them: most frequent first, equally frequent ones by value."""
        ...

    async def image_ids(self, collection_uid: int, ids: Sequence[str]) -> Mapping[str, int]:
        """The uids of those of the ids that exist."""
        ...

    async def images_by_path(
        self, collection_uid: int, source: str, paths: Sequence[str]
    ) -> Mapping[str, Image]:
        """The images that came from these paths of a source, by path."""
        ...

    async def known_files(
        self, collection_uid: int, source: str, after_uid: int, limit: int
    ) -> Sequence[KnownFile]:
        """Up to `limit` files of a source that images with uid > `after_uid` came from, by uid."""
        ...

    async def embeddings(self, model: ModelRef, sha256s: Sequence[str]) -> Mapping[str, Vector]: ...

    async def unembedded(self, collection_uid: int, model: ModelRef) -> int:
        """How many images of the collection have no embedding under the model yet."""
        ...

    async def store_embeddings(self, model: ModelRef, vectors: Mapping[str, Vector]) -> None: ...

    async def changes(self, collection_uid: int, model: ModelRef, after: int, limit: int) -> Sequence[Change]:
        """Up to `limit` changes of rows with revision > `after`, by revision, each row as it is now."""
        ...

    async def rows(self, collection_uid: int, model: ModelRef, uids: Sequence[int]) -> Sequence[Change]:
        """These rows as they are now, as changes; those that do not exist as gone (revision 0)."""
        ...

    async def revisions(self, collection_uid: int, after_uid: int, limit: int) -> Sequence[tuple[int, int]]:
        """(uid, revision) of the images with uid > `after_uid`, by uid."""
        ...

    async def hold_contents(self, given: Sequence[Content]) -> bool:
        """Records contents whose objects are about to be stored or relied upon, so that no sweep removes them
        within its grace; false, and nothing is held, while a sweep is removing one of them."""
        ...

    async def swept_contents(
        self, marked_before: datetime, limit: int, barred_before: datetime | None = None
    ) -> Sequence[str]:
        """Marks contents that no image uses; returns those that were marked before that moment and are still
        unused. Nobody can hold them until `forget_contents`. Of those that an earlier sweep has barred it
        returns only what was barred before the other moment, or all of them without one."""
        ...

    async def forget_contents(self, sha256s: Sequence[str]) -> None:
        """Forgets swept contents, whose objects are gone by now; one that an image uses stays."""
        ...

    async def prune(self, before: datetime) -> None:
        """Forgets request ids and tombstones older than `before`, but no tombstone that an index of its
        collection has still to follow."""
        ...


class OperationCatalog(Protocol):
    """Operations with their leases."""

    async def create_operation(
        self, kind: OperationKind, collection_uid: int, collection_id: str, request: Mapping[str, object]
    ) -> Operation:
        """A PENDING operation; COLLECTION_BUSY where an unfinished one fills the same collection,
        BACKUP_RUNNING for a backup beside an unfinished one, QUEUE_FULL beyond UNFINISHED_LIMIT."""
        ...

    async def operation(self, operation_id: str) -> Operation: ...

    async def operations(self, after_uid: int, limit: int) -> Sequence[Operation]: ...

    async def claim_operation(self, owner: str, lease_s: float) -> Operation | None:
        """The oldest unfinished operation that nobody holds, now held by `owner` and RUNNING. Of those that
        renew a collection's indexes only one is at work; the others wait, oldest first."""
        ...

    async def heartbeat(self, uid: int, owner: str, lease_s: float, progress: Progress) -> Holding:
        """Extends the lease and records progress, unless the operation is LOST."""
        ...

    async def request_cancel(self, uid: int) -> None:
        """Asks an unfinished operation to stop; whoever holds or claims it ends it. OPERATION_NOT_FOUND."""
        ...

    async def finish_operation(
        self,
        uid: int,
        owner: str,
        state: OperationState,
        progress: Progress,
        *,
        result: Mapping[str, object] | None = None,
        error_reason: str = "",
        error_message: str = "",
    ) -> None: ...

    async def release_operations(self) -> None:
        """Takes every lease away, so that what a former process was running can be claimed at once: for a
        server that starts and knows itself alone."""
        ...

    async def delete_operation(self, uid: int) -> None: ...

    async def failures(self, uid: int, after: int, limit: int) -> Sequence[tuple[int, Failure]]: ...


class LeadCatalog(Protocol):
    """Who follows which generation, where several processes serve one catalogue."""

    async def standings(self) -> Sequence[Standing]:
        """Every generation with its collection's revision and its lead, in one read."""
        ...

    async def take_lead(self, generation_uid: int, owner: str, lease_s: float) -> Lead | None:
        """The lead, held by `owner` from now on; None while another holds it."""
        ...

    async def keep_leads(self, owner: str, lease_s: float) -> None:
        """Extends every lease that `owner` holds."""
        ...

    async def tell_lead(self, lead: Lead, followed: int, *, ready: bool, lease_s: float) -> bool:
        """Extends the lease and tells all processes how far the index is; false when it is not held."""
        ...

    async def ask_comparison(self, generation_uid: int) -> None:
        """Has whoever leads, now or next, compare the index with the catalogue."""
        ...

    async def leave_lead(self, lead: Lead) -> None: ...

    async def shared_secret(self, name: str, proposed: bytes) -> bytes:
        """The secret of this name that all processes know: the first one that was proposed."""
        ...


class PurgeCatalog(Protocol):
    """What a purge needs beyond deleting."""

    async def bar_deleted(self, collection_uid: int, ids: Sequence[str]) -> tuple[int, Sequence[str]]:
        """How many deleted images have these ids, and the contents, now barred, that only they used."""
        ...

    async def forget_deleted(
        self, collection_uid: int, ids: Sequence[str], paths: Sequence[str], checkpoint: Checkpoint
    ) -> None:
        """Forgets these ids and paths wherever they are quoted, also in the checkpoint's own operation."""
        ...

    async def cut_log(self) -> None:
        """Leaves nothing of what was deleted in the database's log, where that is ours."""
        ...


class SnapshotCatalog(Protocol):
    """Consistent copies while the catalogue is written to."""

    def check_snapshots(self) -> None:
        """BACKUP_UNSUPPORTED where this catalogue cannot be copied so."""
        ...

    async def snapshot(self, path: Path) -> Snapshot:
        """Writes a copy to the new file `path`, durably: everything acknowledged before is in it."""
        ...

    async def snapshot_contents(self, path: Path, prefix: str) -> Sequence[str]:
        """The sha256s with this prefix whose bytes the images of the copy have stored."""
        ...


class Catalog(
    CollectionCatalog, ImageCatalog, OperationCatalog, LeadCatalog, PurgeCatalog, SnapshotCatalog, Protocol
):
    """The database that everything else can be made again from."""

    async def ping(self) -> str:
        """What answers, in words; CATALOG_UNAVAILABLE."""
        ...

    async def warm(self) -> None:
        """Reads ahead what searches will join, unhurriedly, if this catalogue remembers rows."""
        ...

    def forget_rows(self) -> None:
        """Forgets the rows that this process remembers, where others write to the catalogue, too."""
        ...

    async def close(self) -> None: ...
