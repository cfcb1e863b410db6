"""Points as rows."""

from datetime import UTC, datetime

import numpy as np

from soutu.adapters.vectors.milvus_rows import fields_of_row, requests_of
from soutu.domain.query import Point

ONE = np.full(4, 0.5, np.float32)


def test_fields_that_are_kept_and_set_become_json() -> None:
    fields: dict[str, object] = {
        "title": "not kept",
        "tags": ("a", "b"),
        "rating": 2**62,
        "category": "",
        "attributes.on": True,
        "attributes.odd": float("nan"),
        "attributes.none": None,
        "create_time": datetime(1970, 1, 1, 0, 0, 1, 5, UTC),
    }
    assert fields_of_row(fields) == {
        "tags": ["a", "b"],
        "rating": 2**62,
        "a_on": 1,
        "create_time": 1_000_005,
    }


def test_the_last_point_of_a_uid_counts() -> None:
    (rows,) = requests_of([Point(1, 1, ONE), Point(2, 1, ONE), Point(1, 2, ONE)])
    assert [(row["uid"], row["revision"]) for row in rows] == [(1, 2), (2, 1)]


def test_requests_are_bounded_by_rows_and_by_bytes() -> None:
    assert [len(rows) for rows in requests_of([Point(uid, 1, ONE) for uid in range(2_500)])] == [
        1_000,
        1_000,
        500,
    ]
    wide = np.zeros(32_768, np.float32)
    sizes = [len(rows) for rows in requests_of([Point(uid, 1, wide) for uid in range(300)])]
    assert sum(sizes) == 300
    assert max(sizes) * wide.nbytes < 32 * 2**20


def test_no_points_are_no_requests() -> None:
    assert list(requests_of([])) == []


def test_fields_beyond_what_milvus_takes_are_cut() -> None:
    many: dict[str, object] = {f"attributes.a{number}": "x" * 1_024 for number in range(64)}
    (rows,) = requests_of([Point(1, 1, ONE, many), Point(2, 1, ONE, {"category": "a"})])
    assert [(row["cut"], row["fields"]) for row in rows] == [(True, {}), (False, {"category": "a"})]
