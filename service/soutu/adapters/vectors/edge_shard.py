"""One open generation: what is asked of it, and its life from opening to closing. Everything here blocks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from soutu.adapters.vectors.checks import checked_dimension, unopened
from soutu.adapters.vectors.edge_current import CurrentShard
from soutu.adapters.vectors.edge_errors import translated
from soutu.adapters.vectors.edge_folder import ShardFolder
from soutu.adapters.vectors.edge_plan import Plan
from soutu.adapters.vectors.edge_process import OptimiserProcess
from soutu.adapters.vectors.edge_rebuild import Rebuild
from soutu.domain.embedding import Vectors
from soutu.domain.errors import SoutuError
from soutu.domain.query import EVERYTHING, Candidate, Point, Scope


class OpenShard:
    """Generation `folder.uid`, open. Safe to use from several threads; INDEX_UNREADY once closed."""

    def __init__(self, folder: ShardFolder, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._optimizing = Lock()
        self._process: OptimiserProcess | None = None
        self._closed = False
        self._current = CurrentShard(folder.open(plan))

    def write(self, points: Sequence[Point], gone: Sequence[int]) -> None:
        """Upserts, then deletes; VECTOR_INVALID, before anything is written, for a wrong dimension."""
        for point in points:
            checked_dimension(point.vector, self._plan.dimension)
        uids = [*(point.uid for point in points), *gone]
        with self._open(), self._current.writing(uids) as loaded:
            loaded.write(points, gone)

    def persist(self) -> None:
        """Syncs everything, 10 ms or so: the write-ahead log alone outlives the process, not the power."""
        with self._open(), self._current.writing() as loaded:
            loaded.shard.flush()  # which syncs what is in the files
            loaded.names.sync()
            self._folder.sync()

    def nearest(
        self, vectors: Vectors, limit: int, candidates: int, scope: Scope = EVERYTHING
    ) -> list[list[Candidate]]:
        """For each row of `vectors` (n, dimension) its `limit` best points of the scope, ties by uid."""
        with self._open(), self._current.reading() as loaded:
            return loaded.nearest(vectors, limit, candidates, scope)

    def entries(self, after: int, limit: int) -> list[tuple[int, int]]:
        """Up to `limit` (uid, revision) beyond uid `after`, by uid."""
        with self._open(), self._current.reading() as loaded:
            return loaded.entries(after, limit)

    def count(self) -> int:
        """The number of points, counted (3 ms for 50,000)."""
        with self._open(), self._current.reading() as loaded:
            return loaded.count()

    def optimize(self, process: OptimiserProcess) -> None:
        """Merges segments and builds the graph in `process`, if that is due: seconds to minutes, while
        searches and writes go on. INDEX_UNAVAILABLE if the process fails; all is as before then."""
        with self._optimizing, self._open():
            self._process = process
            if self._closed:  # after close() looked for a process to stop
                process.stop()
            Rebuild(self._folder, self._plan, self._current, process).run()

    def close(self) -> None:
        """Stops optimize(), closes the shard and seals its files."""
        with self._ended(), translated(), self._current.writing() as loaded:
            loaded.shard.flush()
            holes = loaded.holes.bound(loaded.shard.info())
            loaded.shard.close()
            self._folder.seal(holes)

    def drop(self) -> None:
        """Stops optimize(), closes the shard and removes its files."""
        with self._ended(), translated(), self._current.writing() as loaded:
            loaded.shard.close()
            self._folder.remove()

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """No call begins any more, and no optimize() runs."""
        self._closed = True
        if self._process:
            self._process.stop()
        with self._optimizing:
            yield

    @contextmanager
    def _open(self) -> Iterator[None]:
        """Translates what fails inside; INDEX_UNREADY if the shard was closed before or meanwhile."""
        if self._closed:
            raise unopened(self._folder.uid)
        try:
            with translated():
                yield
        except SoutuError as error:
            if self._closed:
                raise unopened(self._folder.uid) from error
            raise
