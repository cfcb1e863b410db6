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
) -> int:
    """The revision up to which the index has everything, once that is all that was there at the call, and
    nearly all that came meanwhile; says in the job's progress how far it is. GENERATION_NOT_FOUND when it is
    deleted meanwhile.

    A target stays until it is reached; only then is a later one set, where more than a few changes are
    missing. An index that is always a moment behind writes that never rest would not reach one that moves.
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
                return target
            target = now
