"""Watching Milvus build an index: it may fail, or say that it has finished and build nothing."""

import asyncio
from typing import Any

from soutu.adapters.vectors.milvus_collection import MilvusCollection
from soutu.domain.errors import Reason, SoutuError
from soutu.observe.logs import logger

_LOOK_S = 0.5
_log = logger(__name__)


async def built(collection: MilvusCollection, patience_s: float) -> None:
    """Returns once everything written before is in the index and searched by it.

    INDEX_UNAVAILABLE, naming the cause, where Milvus says that the build failed, or where nothing has come to
    the index for `patience_s`: a build of Milvus without DISKANN takes such an index, calls it finished, and
    leaves its rows pending for ever.
    """
    await collection.seal(patience_s)
    loop = asyncio.get_running_loop()
    indexed, moved_at = -1, loop.time()
    while True:
        state = await collection.build_state()
        if state["state"] == "Failed":
            raise _failed(collection, state, "it says that it failed")
        if not state["pending_index_rows"]:
            break
        if state["indexed_rows"] > indexed:
            indexed, moved_at = state["indexed_rows"], loop.time()
        elif loop.time() > moved_at + patience_s:
            raise _failed(collection, state, f"nothing has come to it for {patience_s:.0f} s")
        await asyncio.sleep(_LOOK_S)
    await collection.take_over()


def _failed(collection: MilvusCollection, state: dict[str, Any], cause: str) -> SoutuError:
    kind, pending = collection.plan.kind.value.upper(), state["pending_index_rows"]
    said = f"{state['state']} {state.get('index_state_fail_reason', '')}".strip()
    _log.warning("milvus does not build", index=kind, pending=pending, said=said)
    return SoutuError(
        Reason.INDEX_UNAVAILABLE,
        f"Milvus does not build the {kind} index: {cause}, and {pending:,} rows wait. Its log says why; not"
        " every build of Milvus has every kind.",
    )
