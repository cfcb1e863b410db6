"""The last step of every write: commit, have it followed, and say what was done."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from soutu.domain.collection import Head
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.revision import revision_text
from soutu.domain.writing import Checkpoint, Commit, Put, Receipt, Reckoning, Request, Write
from soutu.ingest.followers import Followers
from soutu.ingest.labelling import Labelling
from soutu.ports import Catalog


class Commits:
    """Writes to the catalogue on behalf of the write stories.

    `indexed_wait_s` is how long an answer waits for the index; `backlog` is how many changes the index may be
    behind before writes are refused. Images are labelled on the way, if there is a `labelling`.
    """

    def __init__(
        self,
        catalog: Catalog,
        followers: Followers,
        indexed_wait_s: float,
        backlog: int,
        labelling: Labelling | None = None,
    ) -> None:
        self._catalog = catalog
        self._followers = followers
        self._indexed_wait_s = indexed_wait_s
        self._backlog = backlog
        self._labelling = labelling
        self._held: dict[int, asyncio.Event] = {}

    def check_backlog(self, head: Head) -> None:
        """BACKLOG_FULL when the index is too far behind to take more writes."""
        if head.collection.revision - self._followers.followed(head.generation) > self._backlog:
            raise SoutuError(Reason.BACKLOG_FULL)

    async def commit(
        self,
        head: Head,
        writes: Sequence[Write],
        *,
        request: Request | None = None,
        checkpoint: Checkpoint | Reckoning | None = None,
    ) -> Commit:
        """One transaction; once begun it is carried through, also when the caller goes away."""
        if self._labelling and any(isinstance(write, Put) for write in writes):
            writes = await self._labelling.labelled(await self._present(head), writes)
        while held := self._held.get(head.collection.uid):
            await held.wait()
        task = asyncio.ensure_future(
            self._catalog.commit(head.collection.uid, writes, request=request, checkpoint=checkpoint)
        )
        task.add_done_callback(lambda ended: self._ended(head, ended))
        return await asyncio.shield(task)

    @asynccontextmanager
    async def hold(self, collection_uid: int) -> AsyncIterator[None]:
        """Lets no further commit of the collection begin in this process while the context lasts. One holds
        at a time."""
        while held := self._held.get(collection_uid):
            await held.wait()
        released = self._held[collection_uid] = asyncio.Event()
        try:
            yield
        finally:
            del self._held[collection_uid]
            released.set()

    async def receipt(self, head: Head, revision: int) -> Receipt:
        """Waits a while for the index to follow up to `revision`: that of the generation which is active
        after the commit, as it may have been published while the write was made."""
        now = await self._catalog.head(head.collection.id)
        generation = (now if now.collection.uid == head.collection.uid else head).generation
        indexed = await self._followers.reached(generation, revision, self._indexed_wait_s)
        return Receipt(revision_text(head.collection.uid, revision), indexed)

    async def waited(self, head: Head, revision: int) -> None:
        """Waits for the index as long as it takes to leave the backlog half empty, so that a build
        leaves room to other writes. COLLECTION_NOT_FOUND once the collection is gone."""
        enough = revision - self._backlog // 2
        while self._followers.followed(head.generation) < enough:
            # Anew at each turn: another generation may be active by now, and this one gone.
            head = await self._present(head)
            if await self._followers.reached(head.generation, enough, 60.0):
                return
            await asyncio.sleep(0.1)

    def _ended(self, head: Head, commit: asyncio.Future[Commit]) -> None:
        self._followers.wake(head.collection.uid)
        if not commit.cancelled():
            commit.exception()  # taken note of here, in case the caller is gone

    async def _present(self, head: Head) -> Head:
        now = await self._catalog.head(head.collection.id)
        if now.collection.uid != head.collection.uid:
            raise SoutuError(Reason.COLLECTION_NOT_FOUND)
        return now
