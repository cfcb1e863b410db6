"""Removals: images are deleted from the moment of the commit, whatever the index still holds."""

from collections.abc import Sequence

from soutu.domain.errors import SoutuError
from soutu.domain.writing import Receipt, Remove, Request, Written
from soutu.ingest.commits import Commits
from soutu.ports import Catalog


class Removals:
    """The delete story."""

    def __init__(self, catalog: Catalog, commits: Commits) -> None:
        self._catalog = catalog
        self._commits = commits

    async def remove(self, collection_id: str, removal: Remove, request: Request | None) -> Receipt:
        """Deletes one image."""
        outcomes, receipt = await self.remove_batch(collection_id, [removal], request)
        if isinstance(outcomes[0], SoutuError):
            raise outcomes[0]
        return receipt

    async def remove_batch(
        self, collection_id: str, removals: Sequence[Remove], request: Request | None = None
    ) -> tuple[Sequence[Written | SoutuError], Receipt]:
        """Deletes several images in one transaction; each has its own outcome, in order."""
        head = await self._catalog.head(collection_id)
        commit = await self._commits.commit(head, removals, request=request)
        return commit.outcomes, await self._commits.receipt(head, commit.revision)
