"""The fields that are kept beside vectors, and indexes that were made without them."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import qdrant_edge as edge

from soutu.adapters.vectors.edge_folder import ShardFolder
from soutu.adapters.vectors.edge_payload import payload_of
from soutu.adapters.vectors.edge_plan import plan_for
from soutu.adapters.vectors.kept import key_of
from soutu.adapters.vectors.qdrant_edge import QdrantEdgeIndex
from soutu.domain.collection import AttributeType, IndexSpec
from soutu.domain.filter import Equals, Field
from soutu.domain.query import Point, Scope
from tests.contract.vectors import points, unit_vectors

DIMENSION = 4
VECTORS = unit_vectors(6, DIMENSION)
PLACE = Field("attributes.place", AttributeType.STRING)


def test_a_payload_has_what_filters_need_and_no_more() -> None:
    fields = {
        "title": "of its own",
        "content.width": 640,
        "tags": ("a", "b"),
        "create_time": datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        "attributes.sold": True,
        "attributes.price": float("nan"),
    }
    assert payload_of(fields) == {
        "content_width": 640,
        "tags": ["a", "b"],
        "create_time": datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
        "a_sold": 1,
        "a_price": None,
    }


def test_no_attribute_has_the_key_of_another_field() -> None:
    assert key_of("attributes.tags") != key_of("tags")
    assert key_of("attributes.content_width") != key_of("content.width")


async def reopened(directory: Path) -> tuple[QdrantEdgeIndex, bool]:
    index = QdrantEdgeIndex(directory, threads=1)
    return index, await index.open(1, DIMENSION, IndexSpec())


async def test_an_index_whose_points_lack_fields_says_that_it_is_empty(tmp_path: Path) -> None:
    """As an older version left it: so it is made again from the catalogue."""
    index, _ = await reopened(tmp_path)
    await index.close()
    plan = plan_for(DIMENSION, IndexSpec(), flat_below=5_000, threads=1)
    loaded = ShardFolder(tmp_path, 1).open(plan)
    for key in loaded.shard.info().payload_schema:
        loaded.shard.update(edge.UpdateOperation.delete_field_index(key))
    old = [edge.Point(1, VECTORS[0].tolist(), {"revision": 1, "title": "as it was", "attributes.a": 1})]
    loaded.shard.update(edge.UpdateOperation.upsert_points(old))
    loaded.shard.flush()
    loaded.shard.close()
    index, kept = await reopened(tmp_path)
    assert not kept
    assert await index.count(1) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    await index.write(1, points(VECTORS), [])
    await index.close()
    index, kept = await reopened(tmp_path)
    assert kept
    assert await index.count(1) == len(VECTORS)
    await index.close()


async def found_in(index: QdrantEdgeIndex, place: str) -> list[int]:
    scope = Scope(Equals(PLACE, place))
    (found,) = await index.nearest(1, VECTORS[:1], 10, scope=scope)
    return sorted(each.uid for each in found)


async def test_an_attribute_that_comes_later_is_indexed_and_outlives_a_restart(tmp_path: Path) -> None:
    index, _ = await reopened(tmp_path)
    await index.write(1, points(VECTORS), [])
    await index.write(1, [Point(3, 2, VECTORS[2], {PLACE.name: "Zürich"})], [])
    assert await found_in(index, "Zürich") == [3]
    await index.close()
    index, _ = await reopened(tmp_path)
    assert await found_in(index, "Zürich") == [3]
    assert await found_in(index, "Zurich") == []
    await index.close()


async def test_an_attribute_that_comes_while_the_index_is_optimised_is_indexed(tmp_path: Path) -> None:
    """The copy that takes over has the indexes of what was written meanwhile."""
    plan = plan_for(DIMENSION, IndexSpec(), flat_below=5_000, threads=1)
    current, fresh = ShardFolder(tmp_path, 1).open(plan), ShardFolder(tmp_path, 2).open(plan)
    current.write([Point(1, 1, VECTORS[0], {PLACE.name: "Bern", "attributes.price": 0.5})], [])
    fresh.take_from(current, [1])
    schema = fresh.shard.info().payload_schema
    before = current.shard.info().payload_schema
    assert {key: found.data_type for key, found in schema.items()} == {
        key: found.data_type for key, found in before.items()
    }
    assert {"a_place", "a_price", "tags"} <= schema.keys()
    (found,) = fresh.nearest(np.asarray(VECTORS[:1]), 5, 0, Scope(Equals(PLACE, "Bern")))
    assert [each.uid for each in found] == [1]
    for loaded in (current, fresh):
        loaded.shard.close()
