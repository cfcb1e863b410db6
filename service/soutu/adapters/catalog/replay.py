"""Request ids: the first answer kept, and given again to a retry."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from soutu.adapters.catalog.rows import image_list, image_of
from soutu.adapters.catalog.tables import requests
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.writing import Commit, Request, Written


async def first_answer(connection: AsyncConnection, collection_uid: int, request: Request) -> Commit | None:
    """What the request was answered the first time, None if it is new; REQUEST_ID_REUSED."""
    statement = select(requests).where(
        requests.c.collection_uid == collection_uid, requests.c.request_id == request.id
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    if row.body_sha256 != request.body_sha256:
        raise SoutuError(Reason.REQUEST_ID_REUSED, field="request_id")
    return Commit(tuple(_outcome(kept) for kept in row.outcomes), row.revision, replayed=True)


async def remember(
    connection: AsyncConnection, collection_uid: int, request: Request, done: Commit, now: datetime
) -> None:
    """Keeps the answer for as long as prune() leaves it."""
    values = {
        "collection_uid": collection_uid,
        "request_id": request.id,
        "body_sha256": request.body_sha256,
        "revision": done.revision,
        "outcomes": [_kept(outcome) for outcome in done.outcomes],
        "create_time": now,
    }
    await connection.execute(insert(requests).values(values))


def _kept(outcome: Written | SoutuError) -> dict[str, Any]:
    if isinstance(outcome, SoutuError):
        return {
            "reason": outcome.reason.name,
            "message": outcome.message,
            "metadata": dict(outcome.metadata),
        }
    image = None if outcome.image is None else image_list(outcome.image)
    return {"image": image, "revision": outcome.revision, "created": outcome.created}


def _outcome(kept: dict[str, Any]) -> Written | SoutuError:
    if "reason" in kept:
        return SoutuError(Reason[kept["reason"]], kept["message"], **kept["metadata"])
    image = None if kept["image"] is None else image_of(kept["image"])
    return Written(image, kept["revision"], kept["created"])
