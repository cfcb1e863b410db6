"""Optimising without standing still: a process of its own optimises a copy, which then takes over.

The engine's optimize() keeps the interpreter's lock from beginning to end: with 30,000 points of 595
components this process would do nothing else for 77 s. It copies, too: where searches go on without pause,
each operation on a file waits for that lock, and writers would wait for thousands of them.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from soutu.adapters.vectors.edge_current import CurrentShard
from soutu.adapters.vectors.edge_folder import ShardFolder
from soutu.adapters.vectors.edge_loaded import LoadedShard
from soutu.adapters.vectors.edge_names import SyncedNames
from soutu.adapters.vectors.edge_plan import Plan
from soutu.adapters.vectors.edge_process import OptimiserProcess

_log = logging.getLogger(__name__)
_UIDS_PER_TURN = 500  # writers wait for one turn
_TURNS = 400  # then the rest is taken over at once, however much it is


@dataclass(frozen=True, slots=True)
class Rebuild:
    """One optimisation of the current shard of `folder`, by `process`. Blocks; fails as the engine does."""

    folder: ShardFolder
    plan: Plan
    current: CurrentShard
    process: OptimiserProcess

    def run(self) -> None:
        """Nothing, cheaply, where nothing is due; a warning, and nothing, where the disk is too full."""
        with self.current.writing() as loaded:
            if not loaded.is_due():
                return
        copy = self.folder.next_files()
        try:
            with self.process.started(loaded.files, copy, self.plan):  # before writers wait for it
                self._optimise(copy)
        finally:
            self.current.forget()
            self.folder.sweep()

    def _optimise(self, copy: Path) -> None:
        with self.current.writing() as loaded:
            loaded.shard.flush()
            if not self.process.copy():
                _log.warning("index of generation %d is not optimised: too little disk", self.folder.uid)
                return
            self.current.remember()
            before, written = loaded.shard.info(), loaded.holes.written
        changed_ns = self.process.optimise()
        if changed_ns is None:
            loaded.holes.optimized(before, written)
        else:
            self._exchange(self.folder.loaded(copy, self.plan, SyncedNames(copy, changed_ns)))

    def _exchange(self, fresh: LoadedShard) -> None:
        """Brings the copy up to date while writes go on between the turns, then puts it in place."""
        try:
            for _ in range(_TURNS):
                if self._catch_up(fresh) < _UIDS_PER_TURN:
                    break
            fresh.names.sync()  # now, so that little is left to be synced while writers wait
            self.folder.sync()
            before = self._put_in_place(fresh)
        except BaseException:
            fresh.shard.close()
            raise
        before.shard.close()

    def _catch_up(self, fresh: LoadedShard) -> int:
        """One turn: how many uids it took over."""
        self.process.refuse_if_stopped()
        with self.current.writing() as loaded:
            uids = self.current.remembered(_UIDS_PER_TURN)
            fresh.take_from(loaded, uids)
        fresh.shard.flush()  # now, so that writers and the interpreter's lock wait for little at the end
        return len(uids)

    def _put_in_place(self, fresh: LoadedShard) -> LoadedShard:
        """Takes over what is left and makes `fresh` the shard that is read, written and opened next time."""
        with self.current.writing() as loaded:
            fresh.take_from(loaded, self.current.remembered())
            fresh.shard.flush()
            fresh.names.sync()
            self.folder.point_to(fresh.files)
            return self.current.replace(fresh)
