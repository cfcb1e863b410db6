"""What `soutu generations` says and asks for."""

import pytest
import typer
from google.protobuf.duration_pb2 import Duration

from soutu.cli.generation_terms import (
    behind_text,
    estimate_text,
    index_text,
    parsed_index,
    state_text,
    time_text,
)
from soutu.v1.collection_pb2 import INDEX_TYPE_HNSW, INDEX_TYPE_UNSPECIFIED, Generation, Index
from soutu.v1.collection_service_pb2 import EstimateGenerationResponse


def test_an_index_is_asked_for_by_its_type_and_parameters() -> None:
    assert parsed_index("", []) is None
    asked = Index(type=INDEX_TYPE_HNSW, parameters={"m": 32, "ef_construct": 200})
    assert parsed_index("hnsw", ["m=32", "ef_construct=200"]) == asked
    assert parsed_index("", ["m=8"]) == Index(type=INDEX_TYPE_UNSPECIFIED, parameters={"m": 8})


@pytest.mark.parametrize(("kind", "parameter"), [("tree", "m=8"), ("hnsw", "m"), ("hnsw", "m=many")])
def test_what_is_no_index_is_wrong_usage(kind: str, parameter: str) -> None:
    with pytest.raises(typer.BadParameter):
        parsed_index(kind, [parameter])


def test_an_index_is_told_in_a_word_or_two() -> None:
    assert index_text(Index()) == "auto"
    assert index_text(Index(type=INDEX_TYPE_HNSW, parameters={"m": 8})) == "hnsw m=8"


def test_the_estimate_is_one_line() -> None:
    estimate = EstimateGenerationResponse(
        images_to_embed=12_000, duration=Duration(seconds=240), disk_bytes=15_200_000, memory_bytes=14_000_000
    )
    assert estimate_text(estimate) == (
        "12,000 images to embed · about 4 min · 15.2 MB of disk · 14.0 MB of memory"
    )
    assert estimate_text(EstimateGenerationResponse()).startswith("nothing to embed · about 1 s")


def test_times_are_told_in_the_unit_that_fits() -> None:
    assert [time_text(seconds) for seconds in (0.2, 40, 300, 9_000)] == ["1 s", "40 s", "5 min", "2.5 h"]


def test_the_generation_that_searches_use_is_active() -> None:
    assert state_text(Generation(state=Generation.STATE_READY, active=True)) == "active"
    assert state_text(Generation(state=Generation.STATE_BUILDING)) == "building"


def test_how_far_a_generation_is_behind_is_not_known_while_it_is_loaded() -> None:
    behind = Generation(state=Generation.STATE_READY, pending_changes=1_296)
    assert behind_text(behind, loading=True) == "loading"
    assert behind_text(behind, loading=False) == "1,296"
    assert behind_text(Generation(state=Generation.STATE_READY), loading=True) == "0"
