"""Where a generation's shard lies on disk: made, opened, set aside and removed so that no crash leaves half.

<directory>/<uid>/shard-<n>/...    the engine's files; two of them while one is made anew by optimising
<directory>/<uid>/shard            a link to the one that counts
<directory>/<uid>/seal.json        their checksums, while the shard is closed in order
<directory>/fresh-<uid>            one being made
<directory>/dropped-<uid>          one being removed
<directory>/damaged-<uid>-<n>      the last one that could not be used
"""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import qdrant_edge as edge

from soutu.adapters.vectors.edge_errors import in_use, is_in_use, translated
from soutu.adapters.vectors.edge_holes import VACUUM_AT, GraphHoles
from soutu.adapters.vectors.edge_loaded import LoadedShard
from soutu.adapters.vectors.edge_names import SyncedNames
from soutu.adapters.vectors.edge_payload import create_index, is_outdated, wanted_indexes
from soutu.adapters.vectors.edge_plan import Plan
from soutu.adapters.vectors.edge_reading import ShardDamageError, ShardOutdatedError, read_through
from soutu.adapters.vectors.edge_seal import (
    break_seal,
    sealed_note,
    sync_directories,
    sync_directory,
    write_seal,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """The folder of generation `uid` in `directory`. All methods block."""

    directory: Path
    uid: int

    @property
    def path(self) -> Path:
        """All that is kept of the generation."""
        return self.directory / str(self.uid)

    @property
    def _link(self) -> Path:
        return self.path / "shard"

    @property
    def _files(self) -> Path:
        """Not resolved: the directory itself may be reached through links, or be named relatively."""
        return self.path / (self._link.readlink() if self._link.is_symlink() else self._link.name)

    @property
    def _seal(self) -> Path:
        return self.path / "seal.json"

    def open(self, plan: Plan) -> LoadedShard:
        """The shard as it was left, or an empty one if there is none or it cannot be trusted.

        INDEX_UNAVAILABLE if another process has it, or if no shard can be made here at all.
        """
        with translated():
            self._sweep()
            if not self.path.exists():
                self._make(plan).rename(self.path)
                sync_directory(self.directory)
            _link_first(self.path)
            try:
                return self._load(plan)
            except ShardDamageError as damage:
                _log.warning(
                    "index of generation %d is damaged, starts anew: %s", self.uid, damage.__cause__ or damage
                )
                return self._replace(plan, keep=not isinstance(damage, ShardOutdatedError))

    def seal(self, holes: float) -> None:
        """Vouches for the files of the shard, which has been closed with at most that many holes."""
        write_seal(self._seal, self._files, note=holes)

    def sync(self) -> None:
        """Makes the link, and the name of the folder that it names, survive a power cut."""
        sync_directory(self.path)

    def remove(self) -> None:
        """Takes the name away first, so that a crash leaves nothing that could be opened."""
        if self.path.exists():
            shutil.rmtree(self._dropped(), ignore_errors=True)
            self.path.rename(self._dropped())
            sync_directory(self.directory)
        for leftover in (self._dropped(), *self._damaged()):
            shutil.rmtree(leftover, ignore_errors=True)

    def next_files(self) -> Path:
        """A folder that is not there yet, for the files that may follow those that count."""
        numbers = [int(path.name.rsplit("-", 1)[1]) for path in self.path.glob("shard-*")]
        return self.path / f"shard-{1 + max(numbers, default=0)}"

    def loaded(self, files: Path, plan: Plan, names: SyncedNames) -> LoadedShard:
        """The shard in `files`, which optimize() has just left."""
        shard = edge.EdgeShard.load(str(files), plan.config())
        state = shard.info()
        holes = GraphHoles(VACUUM_AT * state.indexed_vectors_count, state.points_count)
        return LoadedShard(shard, holes, plan, files, names)

    def point_to(self, files: Path) -> None:
        """Makes `files` those that count, in one step; sync() or sweep() make it survive a power cut."""
        link = self.path / "shard.part"
        link.unlink(missing_ok=True)
        link.symlink_to(files.name)
        link.rename(self._link)

    def sweep(self) -> None:
        """Removes files of the shard that do not count, or no longer."""
        sync_directory(self.path)
        for path in self.path.glob("shard-*"):
            if path != self._files:
                shutil.rmtree(path, ignore_errors=True)

    def _load(self, plan: Plan) -> LoadedShard:
        """The shard, found whole; ShardDamageError with the engine's complaint as its cause."""
        holes: float | None = None
        if self._seal.exists():
            holes = sealed_note(self._seal, self._files)
            if holes is None:
                raise ShardDamageError("its files are not those that were sealed")
            break_seal(self._seal)
        try:
            shard = edge.EdgeShard.load(str(self._files), plan.config())
        except BaseException as error:  # its panics are BaseExceptions
            if is_in_use(error):
                raise in_use() from error
            raise ShardDamageError from error
        if is_outdated(shard):
            shard.close()
            raise ShardOutdatedError("its points lack fields to filter by")
        if holes is None:
            read_through(shard, plan.dimension)
        self.sweep()
        state = shard.info()
        unknown = float(state.indexed_vectors_count)
        holes = unknown if holes is None else holes
        graph = GraphHoles(holes, state.points_count)
        return LoadedShard(shard, graph, plan, self._files, _synced(self._files))

    def _replace(self, plan: Plan, *, keep: bool) -> LoadedShard:
        """An empty shard; of the damaged ones the newest is kept, or none. It is made before the damaged one
        is moved, so that what only looked like damage (a full disk, no more file handles) fails here and
        moves nothing."""
        fresh = self._make(plan)
        older = self._damaged()
        number = 1 + max((int(path.name.rsplit("-", 1)[1]) for path in older), default=0)
        self.path.rename(self.directory / f"damaged-{self.uid}-{number}")
        fresh.rename(self.path)
        sync_directory(self.directory)
        for path in older if keep else self._damaged():
            shutil.rmtree(path, ignore_errors=True)
        return self.loaded(self._files, plan, _synced(self._files))

    def _make(self, plan: Plan) -> Path:
        """A whole and closed empty shard beside its place."""
        fresh = self.directory / f"fresh-{self.uid}"
        fresh.mkdir(parents=True)
        shard = edge.EdgeShard.create(str(fresh / "shard"), plan.config())
        for key, index in wanted_indexes(()).items():  # 0.2 s of syncing, which no write is to wait for
            create_index(shard, key, index())
        shard.close()
        _link_first(fresh)
        sync_directories(fresh)
        return fresh

    def _sweep(self) -> None:
        for leftover in (self.directory / f"fresh-{self.uid}", *self.directory.glob("dropped-*")):
            shutil.rmtree(leftover, ignore_errors=True)

    def _dropped(self) -> Path:
        return self.directory / f"dropped-{self.uid}"

    def _damaged(self) -> list[Path]:
        return list(self.directory.glob(f"damaged-{self.uid}-*"))


def folders_in(directory: Path) -> list[int]:
    """The uids of the generations that have a folder of their own, by uid."""
    names = (path.name for path in directory.glob("*"))
    return sorted(int(name) for name in names if name.isdecimal())


def _synced(files: Path) -> SyncedNames:
    names = SyncedNames(files)
    names.sync()
    return names


def _link_first(path: Path) -> None:
    """Makes the folder "shard", as the engine makes it, the first of its kind, with a link to it; goes on
    where a kill has come between."""
    link, first = path / "shard", path / "shard-0"
    if link.is_dir() and not link.is_symlink():
        shutil.rmtree(first, ignore_errors=True)
        link.rename(first)
    if first.exists() and not link.is_symlink():
        link.symlink_to(first.name)
        sync_directory(path)
