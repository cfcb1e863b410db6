"""Revisions: what a user says of an image changes; its bytes do not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image, Metadata
from soutu.domain.writing import Receipt, Request, Revise
from soutu.ingest.commits import Commits
from soutu.ports import Catalog

_TRIES = 10


@dataclass(frozen=True, slots=True)
class Revision:
    """New metadata for an image, of which only the fields named in `paths` count: names of Metadata's
    fields, or attributes.NAME. An attribute that is named and not given is removed. With `etag`, only an
    image that still has it is changed."""

    image_id: str
    metadata: Metadata
    paths: Sequence[str]
    etag: str = ""

    def applied(self, before: Metadata) -> Metadata:
        """`before` with the named fields changed."""
        fields = [path for path in self.paths if "." not in path]
        after = replace(before, **{field: getattr(self.metadata, field) for field in fields})
        attributes = dict(after.attributes)
        for name in (path.partition(".")[2] for path in self.paths if "." in path):
            attributes.pop(name, None)
            if name in self.metadata.attributes:
                attributes[name] = self.metadata.attributes[name]
        return replace(after, attributes=attributes)


class Revisions:
    """The update story."""

    def __init__(self, catalog: Catalog, commits: Commits) -> None:
        self._catalog = catalog
        self._commits = commits

    async def revise(
        self, collection_id: str, revision: Revision, request: Request | None
    ) -> tuple[Image, Receipt]:
        """Changes an image; ETAG_MISMATCH where the caller's etag is not the image's. Without one, a change
        that comes in between is built upon."""
        head = await self._catalog.head(collection_id)
        for _ in range(_TRIES):
            image = await self._catalog.image(head.collection.uid, revision.image_id)
            write = Revise(image.id, revision.applied(image.metadata), revision.etag or image.etag)
            commit = await self._commits.commit(head, [write], request=request)
            outcome = commit.outcomes[0]
            if not isinstance(outcome, SoutuError):
                assert outcome.image is not None, "a revision leaves an image"
                return outcome.image, await self._commits.receipt(head, commit.revision)
            if outcome.reason is not Reason.ETAG_MISMATCH or revision.etag:
                raise outcome
        raise SoutuError(Reason.ETAG_MISMATCH)
