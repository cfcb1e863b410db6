"""Relabelling: after a change of a collection's label sets its images are labelled anew.

That takes no inference on pictures: labels follow from the embeddings that the catalogue keeps. Images go on
being searched meanwhile, with the labels that they had.
"""

from collections.abc import Mapping
from dataclasses import replace

from soutu.domain.collection import Head
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.operation import Operation, OperationKind
from soutu.domain.writing import Checkpoint, Relabel
from soutu.ingest.commits import Commits
from soutu.ingest.labelling import Labelling
from soutu.operations.job import Job
from soutu.ports import Catalog

_PAGE = 256


class Relabels:
    """The work of a relabelling. Each page is one commit together with how far the operation has come."""

    def __init__(self, catalog: Catalog, commits: Commits, labelling: Labelling) -> None:
        self._catalog = catalog
        self._commits = commits
        self._labelling = labelling

    async def begin(self, head: Head) -> Operation:
        """Begins to label the collection's images by the sets that it has now."""
        collection = head.collection
        return await self._catalog.create_operation(OperationKind.RELABEL, collection.uid, collection.id, {})

    async def run(self, job: Job) -> Mapping[str, object]:
        """The work of a relabelling: every page by the label sets of its moment."""
        after = job.operation.cursor
        while True:
            head = await self._catalog.head(job.operation.collection_id)
            if head.collection.uid != job.operation.collection_uid:
                raise SoutuError(Reason.COLLECTION_NOT_FOUND)
            page = await self._catalog.list_images(head.collection.uid, after, _PAGE)
            if not page:
                return {"image_count": job.progress.done}
            after = page[-1].id
            await self._write(job, head, [Relabel(each.id, each.content.sha256) for each in page])

    async def give_up(self, operation: Operation) -> None:
        """Images that were labelled keep their new labels; asking again goes on."""

    async def _write(self, job: Job, head: Head, page: list[Relabel]) -> None:
        model = head.generation.model
        vectors = await self._catalog.embeddings(model, [each.sha256 for each in page])
        known = [each for each in page if each.sha256 in vectors]
        labels = await self._labelling.labels(head, [vectors[each.sha256] for each in known])
        by_content = {each.sha256: given for each, given in zip(known, labels, strict=True)}
        writes = [replace(each, labels=by_content.get(each.sha256, ())) for each in page]
        done = job.progress.done + len(page)
        total = max(head.collection.image_count, done)
        job.progress = replace(job.progress, total=total, done=done)
        checkpoint = Checkpoint(job.operation.uid, page[-1].image_id, done, 0, owner=job.owner)
        commit = await self._commits.commit(head, writes, checkpoint=checkpoint)
        await self._commits.waited(head, commit.revision)
