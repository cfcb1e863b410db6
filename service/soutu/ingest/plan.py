"""What a sync has to do: what a directory offers, compared with what is known of it."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from soutu.domain.image import KnownFile
from soutu.ingest.sources import Item

Digests = Callable[[Sequence[Item]], Awaitable[Mapping[str, str]]]
"""The SHA-256 of items' bytes as they are now, by path, of those that can be read."""


class Action(StrEnum):
    """What a sync does with a file."""

    ADD = "add"
    CHANGE = "change"
    MOVE = "move"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Comparison:
    """By path, size and time alone: what is new, what differs and from what, what has another sidecar, and
    what is gone."""

    fresh: tuple[Item, ...]
    differing: tuple[tuple[Item, KnownFile], ...]
    annotated: tuple[Item, ...]
    vanished: tuple[KnownFile, ...]
    unchanged: int


@dataclass(slots=True)
class Plan:
    """What is to be done. `touched` are files whose time alone has changed: nobody needs to hear of them. A
    moved file with another sidecar than before is a changed one, too, once it has moved."""

    added: list[Item] = field(default_factory=list)
    changed: list[Item] = field(default_factory=list)
    moved: list[tuple[Item, KnownFile]] = field(default_factory=list)
    touched: list[tuple[Item, KnownFile]] = field(default_factory=list)
    deleted: list[KnownFile] = field(default_factory=list)
    refused: list[Item] = field(default_factory=list)
    unchanged: int = 0

    @property
    def size(self) -> int:
        """How many items it is about, unchanged ones left out."""
        read = len(self.added) + len(self.changed) + len(self.refused)
        return read + len(self.moved) + len(self.touched) + len(self.deleted)

    def count_read(self, paths: Collection[str]) -> int:
        """How many of these paths are read as something new or changed."""
        return sum(item.path in paths for items in (self.added, self.changed) for item in items)

    def leave_out(self, paths: Collection[str]) -> None:
        """Nothing is read again at these paths."""
        for items in (self.added, self.changed, self.refused):
            items[:] = [item for item in items if item.path not in paths]

    def entries(self) -> Iterator[tuple[Action, str, str]]:
        """Action, path, and the path before a move; by action, then in the order of paths."""
        yield from ((Action.ADD, item.path, "") for item in self.added)
        yield from ((Action.CHANGE, item.path, "") for item in self.changed)
        yield from ((Action.MOVE, item.path, file.path) for item, file in self.moved)
        yield from ((Action.DELETE, file.path, "") for file in self.deleted)


def compare(items: Iterable[Item], known: Mapping[str, KnownFile], unread: Sequence[str]) -> Comparison:
    """Compares what is offered with what is known, by path. What lies where the source could not be looked
    at has not vanished."""
    fresh, differing, annotated = list[Item](), list[tuple[Item, KnownFile]](), list[Item]()
    unchanged = 0
    gone = dict(known)
    for item in items:
        file = gone.pop(item.path, None)
        if file is None:
            fresh.append(item)
        elif not same_sidecar(item, file.sidecar):
            annotated.append(item)
        elif (file.size_bytes, file.mtime_ns) == (item.size_bytes, item.mtime_ns):
            unchanged += 1
        else:
            differing.append((item, file))
    vanished = [file for path, file in gone.items() if not path.startswith(tuple(unread))]
    vanished.sort(key=lambda file: file.path)
    return Comparison(tuple(fresh), tuple(differing), tuple(annotated), tuple(vanished), unchanged)


def same_sidecar(item: Item, taken_over: str) -> bool:
    """Whether the item's sidecar is in the state that was taken over, by size and time."""
    return item.sidecar_stamp == taken_over.rpartition("-")[0]


async def planned(comparison: Comparison, digests: Digests, *, keep_vanished: bool) -> Plan:
    """The plan, with hashes taken only where they decide: of files whose time alone differs, and of new files
    that are as large as a vanished one."""
    sizes = {file.size_bytes for file in comparison.vanished}
    doubtful = [item for item, file in comparison.differing if item.size_bytes == file.size_bytes]
    doubtful += [item for item in comparison.fresh if item.size_bytes in sizes]
    hashes = await digests(doubtful)
    plan = Plan(unchanged=comparison.unchanged, changed=list(comparison.annotated))
    for item, file in comparison.differing:
        if hashes.get(item.path) == file.sha256:
            plan.touched.append((item, file))
        else:
            plan.changed.append(item)
    left = _with_moves(plan, comparison, hashes)
    plan.changed += [item for item, file in plan.moved if not same_sidecar(item, file.sidecar)]
    plan.deleted = [] if keep_vanished else left
    return plan


def _with_moves(plan: Plan, comparison: Comparison, hashes: Mapping[str, str]) -> list[KnownFile]:
    """Sorts the new files into added and moved ones: one with the content of a vanished file is that file,
    moved. Answers the vanished files that are left."""
    by_content: defaultdict[str, list[KnownFile]] = defaultdict(list)
    for file in reversed(comparison.vanished):
        by_content[file.sha256].append(file)
    for item in comparison.fresh:
        same = by_content.get(hashes.get(item.path, ""))
        if same:
            plan.moved.append((item, same.pop()))
        else:
            plan.added.append(item)
    left = {file.path for files in by_content.values() for file in files}
    return [file for file in comparison.vanished if file.path in left]
