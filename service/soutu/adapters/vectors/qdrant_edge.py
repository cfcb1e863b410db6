"""Qdrant Edge as a VectorIndex: in this process, on disk, HNSW above a threshold and exact below it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TypeVar

from soutu.adapters.vectors.checks import unopened
from soutu.adapters.vectors.edge_errors import translated
from soutu.adapters.vectors.edge_filter import narrowing
from soutu.adapters.vectors.edge_folder import ShardFolder, folders_in
from soutu.adapters.vectors.edge_plan import check_spec, plan_for
from soutu.adapters.vectors.edge_process import OptimiserProcess
from soutu.adapters.vectors.edge_shard import OpenShard
from soutu.domain.collection import IndexSpec
from soutu.domain.embedding import Vectors
from soutu.domain.errors import SoutuError
from soutu.domain.filter import Filter
from soutu.domain.query import EVERYTHING, Candidate, Point, Scope

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Opened:
    """A generation with the one thread that writes to it, so that writes take effect in the order of calls
    even if their callers gave up waiting."""

    shard: OpenShard
    writer: ThreadPoolExecutor


class QdrantEdgeIndex:
    """A VectorIndex in `directory`, one Qdrant Edge shard for each generation.

    The engine searches with up to `threads` threads. Below `flat_below` points, by default as many as take
    5 MiB, searches are exact. A write survives the process when it returns, and a power cut after persist().
    A call that is cancelled goes on in its thread, but for optimize(); nothing is left half done.
    """

    def __init__(self, directory: Path, threads: int, *, flat_below: int | None = None) -> None:
        self._directory = directory
        self._threads = threads
        self._flat_below = flat_below
        self._open: dict[int, _Opened] = {}
        self._searchers = ThreadPoolExecutor(threads, "index-search")
        self._opener = ThreadPoolExecutor(1, "index-open")

    def check(self, spec: IndexSpec, dimension: int) -> None:
        """FIELD_INVALID with the sentence that says what this store builds, if `spec` asks for more."""
        check_spec(spec)

    async def open(self, generation: int, dimension: int, spec: IndexSpec) -> bool:
        """INDEX_UNAVAILABLE if another process has the directory; FIELD_INVALID as check() says.

        What is damaged is set aside, one per generation. A generation that is open stays as it is.
        """
        plan = plan_for(dimension, spec, flat_below=self._flat_below, threads=self._threads)

        def opened() -> bool:
            if generation not in self._open:
                shard = OpenShard(ShardFolder(self._directory, generation), plan)
                self._open[generation] = _Opened(shard, ThreadPoolExecutor(1, f"index-write-{generation}"))
            return self._open[generation].shard.count() > 0

        return await _run(self._opener, opened)

    async def write(self, generation: int, points: Sequence[Point], gone: Sequence[int]) -> None:
        """Upserts, then deletes, after the writes called before. INDEX_UNREADY where the generation's folder
        was taken away: open() then makes a new one."""
        opened = self._opened(generation)
        async with self._forgetting_if_lost(generation):
            await _run(opened.writer, partial(opened.shard.write, points, gone))

    async def persist(self, generation: int) -> None:
        """Flushes and syncs files and directories, after the writes called before: 10 ms or so. INDEX_UNREADY
        as write()."""
        opened = self._opened(generation)
        async with self._forgetting_if_lost(generation):
            await _run(opened.writer, opened.shard.persist)

    async def nearest(
        self,
        generation: int,
        vectors: Vectors,
        limit: int,
        *,
        candidates: int = 0,
        scope: Scope = EVERYTHING,
        revision: int = 0,
    ) -> Sequence[Sequence[Candidate]]:
        """Scores are within 1e-5 of the exact inner products. Points not yet optimized are scanned.

        On the caller's thread: the engine keeps the interpreter's lock for as long as a search lasts, so on
        another the loop would stand as still, and the way there and back takes as long as most searches.
        """
        await asyncio.sleep(0)  # whoever waits has its turn between searches
        return self._opened(generation).shard.nearest(vectors, limit, candidates, scope)

    def narrows(self, filter_: Filter) -> bool:
        """Not by texts that nearly every image has its own of, nor by the order of texts."""
        return not narrowing(filter_).over_is_loose

    async def entries(self, generation: int, after: int, limit: int) -> Sequence[tuple[int, int]]:
        """Up to `limit` (uid, revision) beyond uid `after`, by uid."""
        shard = self._opened(generation).shard
        return await _run(self._searchers, partial(shard.entries, after, limit))

    async def names(self, generation: int, uids: Sequence[int]) -> Mapping[int, str]:
        """None: the catalogue lies beside it."""
        return {}

    async def count(self, generation: int) -> int:
        """The number of points."""
        return await _run(self._searchers, self._opened(generation).shard.count)

    async def optimize(self, generation: int) -> None:
        """Builds the graph in a process of its own, if one is due; a second call waits for the first.

        One that is cancelled is given up. INDEX_UNAVAILABLE if the process fails, and all is as before.
        """
        shard, process = self._opened(generation).shard, OptimiserProcess()
        try:
            await _in_own_thread(partial(shard.optimize, process))
        except asyncio.CancelledError:
            process.stop()
            raise

    async def drop(self, generation: int) -> None:
        """Removes the generation's files, open or not; calls on it fail with INDEX_UNREADY from now on."""
        taken = self._open.pop(generation, None)

        def dropped() -> None:
            opened = taken or self._open.pop(generation, None)
            if opened is None:
                with translated():
                    ShardFolder(self._directory, generation).remove()
                return
            opened.writer.shutdown()
            opened.shard.drop()

        await _run(self._opener, dropped)

    async def kept(self) -> Sequence[int]:
        """The generations that have a folder; what is being dropped or made no longer or not yet counts."""
        return await asyncio.to_thread(folders_in, self._directory)

    async def close(self) -> None:
        """Ends what runs, then closes every shard. An optimize() is given up, and its call fails."""
        taken = self._taken()

        def closed() -> None:
            self._searchers.shutdown()
            for opened in (*taken, *self._taken()):  # an open() may have been under way
                opened.writer.shutdown()
                opened.shard.close()

        await _run(self._opener, closed)
        self._opener.shutdown(wait=False)

    @asynccontextmanager
    async def _forgetting_if_lost(self, generation: int) -> AsyncIterator[None]:
        """Where the files have vanished under an open shard, lets go of it."""
        try:
            yield
        except SoutuError as error:
            if (self._directory / str(generation)).is_dir():
                raise
            with suppress(SoutuError):
                await self.drop(generation)
            raise unopened(generation) from error

    def _taken(self) -> list[_Opened]:
        """Every open generation, no longer to be found by calls."""
        opened = list(self._open.values())
        self._open.clear()
        return opened

    def _opened(self, generation: int) -> _Opened:
        opened = self._open.get(generation)
        if opened is None:
            raise unopened(generation)
        return opened


async def _run(executor: ThreadPoolExecutor, work: Callable[[], _Result]) -> _Result:
    """`work` in a thread of `executor`, off the loop."""
    return await asyncio.get_running_loop().run_in_executor(executor, work)


async def _in_own_thread(work: Callable[[], None]) -> None:
    """`work` in a thread that the process does not wait for when it ends."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 (it is raised where the result is awaited)
            done.set_exception(error)
        else:
            done.set_result(None)

    Thread(target=run, name="index-optimize", daemon=True).start()
    ended = asyncio.wrap_future(done)
    ended.add_done_callback(lambda _: ended.cancelled() or ended.exception())  # the caller may be gone
    await asyncio.shield(ended)
