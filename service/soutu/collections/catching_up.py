"""A generation's index that is being made catches up with the collection, while writes to it go on."""

from dataclasses import replace

from soutu.domain.collection import Generation
from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.followers import Followers
from soutu.operations.job import Job
from soutu.ports import Catalog

NEARLY = 256  # changes that are followed within the two seconds that writes may wait
_LOOK_S = 0.25


async def caught_up(
    job: Job, catalog: Catalog, followers: Followers, collection_id: str, generation: Generation
) -> None:
    """Returns once the index has everything that was there at the call, and nearly all that came meanwhile;
    says in the job's progress how far it is. GENERATION_NOT_FOUND when it is deleted meanwhile.

    It is no moving target that is waited for: an index that is always a moment behind writes that never rest
    would not reach it.
    """
    target: int | None = None
    while True:
        head = await catalog.head(collection_id, generation.id)
        if head.generation.uid != generation.uid:
            raise SoutuError(Reason.GENERATION_NOT_FOUND)
        now, total = head.collection.revision, head.collection.image_count
        share = min(followers.followed(generation) / now, 1.0) if now else 1.0
        job.progress = replace(job.progress, total=total, done=int(total * share))
        target = now if target is None else target
        if await followers.reached(generation, target, _LOOK_S):
            if now - followers.followed(generation) <= NEARLY:
                job.progress = replace(job.progress, done=total)
                return
            target = now
