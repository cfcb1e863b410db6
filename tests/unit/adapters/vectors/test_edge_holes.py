from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from soutu.adapters.vectors.edge_holes import GraphHoles

if TYPE_CHECKING:
    import qdrant_edge as edge

FLAT_BELOW = 1_000


@dataclass
class State:
    """As much of the engine's ShardInfo as is looked at."""

    points_count: int
    indexed_vectors_count: int


def state(points: int, indexed: int) -> "edge.ShardInfo":
    return cast("edge.ShardInfo", State(points, indexed))


@pytest.mark.parametrize(
    ("left", "points_before", "written", "points", "indexed", "due"),
    [
        (0, 0, 0, 0, 0, False),  # empty
        (0, 0, 900, 900, 0, False),  # scanned, and that is meant
        (0, 0, 1_001, 1_001, 0, True),  # the first graph
        (0, 1_001, 0, 1_001, 0, True),  # the same, after a restart
        (200, 1_001, 0, 1_001, 1_001, False),  # just optimised
        (200, 1_001, 900, 1_901, 1_001, False),  # new points outside, few enough
        (200, 1_001, 1_100, 2_101, 1_001, True),  # more than are scanned
        (0, 10_000, 1_500, 10_000, 10_000, True),  # overwritten: outside the graph now
        (0, 5_000, 900, 4_100, 5_000, False),  # removed, fewer than a fifth
        (0, 5_000, 1_000, 4_000, 5_000, False),
        (0, 3_000, 800, 2_200, 3_000, True),  # removed, more than a fifth
        (0, 300, 90, 300, 0, False),  # few in number, though a third
        (5_000, 5_000, 0, 5_000, 5_000, True),  # nobody knows, after a kill
    ],
)
def test_what_optimizing_is_due_for(
    left: float, points_before: int, written: int, points: int, indexed: int, due: bool
) -> None:
    holes = GraphHoles(left, points_before, written)
    assert holes.due(state(points, indexed), FLAT_BELOW) is due


def test_nothing_is_due_once_nothing_was_found() -> None:
    holes = GraphHoles(5_000, 5_000)
    holes.add(40)
    before, written = state(5_000, 5_000), holes.written
    holes.add(7)
    holes.optimized(before, written)
    assert holes.due(before, FLAT_BELOW) is False
    assert holes.bound(before) == 1_000 + 7


def test_a_flat_index_is_due_for_removals_alone() -> None:
    assert GraphHoles(0, 0, 50_000).due(state(50_000, 0), float("inf")) is False
    assert GraphHoles(0, 50_000, 12_000).due(state(38_000, 0), float("inf")) is True
