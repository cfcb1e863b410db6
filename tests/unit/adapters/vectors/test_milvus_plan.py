"""The parameters that Milvus is given for each kind of index."""

import pytest

from soutu.adapters.vectors.milvus_plan import check_spec, plan_for
from soutu.domain.collection import IndexSpec, IndexType
from soutu.domain.errors import Reason, SoutuError


def test_the_choice_left_to_the_store_is_hnsw() -> None:
    plan = plan_for(48, IndexSpec())
    assert plan.kind is IndexType.HNSW
    assert plan.build == {"M": 16, "efConstruction": 100}
    assert plan.search(0, 11) == {"ef": 64}
    assert plan.search(0, 1_001) == {"ef": 1_001}
    assert plan.search(100, 11, wider=True) == {"ef": 800}


@pytest.mark.parametrize("listed", [16, 20, 100])
def test_diskann_is_searched_by_the_size_of_its_candidate_list(listed: int) -> None:
    plan = plan_for(2_048, IndexSpec(IndexType.DISKANN, candidates=listed))
    assert plan.build == {}
    assert plan.search(0, 11) == {"search_list": listed}
    assert plan.search(200, 11) == {"search_list": 200}
    assert plan.search(16, 101) == {"search_list": 101}  # Milvus wants no fewer than are asked for


def test_lists_are_probed_up_to_all_of_them() -> None:
    plan = plan_for(48, IndexSpec(IndexType.IVF_FLAT, {"nlist": 100}))
    assert plan.build == {"nlist": 100}
    assert plan.search(0, 11) == {"nprobe": 16}
    assert plan.search(64, 11, wider=True) == {"nprobe": 100}


def test_a_scan_takes_nothing() -> None:
    plan = plan_for(48, IndexSpec(IndexType.FLAT))
    assert (plan.exact, plan.build, plan.search(100, 11)) == (True, {}, {})


@pytest.mark.parametrize(("dimension", "parts"), [(48, 24), (2_048, 1_024), (7, 1), (15, 5)])
def test_vectors_are_cut_into_parts_that_divide_them(dimension: int, parts: int) -> None:
    plan = plan_for(dimension, IndexSpec(IndexType.IVF_PQ))
    assert plan.build == {"nlist": 128, "m": parts, "nbits": 8}
    assert plan.refined > 1


@pytest.mark.parametrize(
    ("kind", "parameters", "sentence"),
    [
        (IndexType.FLAT, {"m": 8}, "takes no parameters"),
        (IndexType.HNSW, {"nlist": 8}, "takes m and ef_construct"),
        (IndexType.HNSW, {"m": 3}, "m must be 4 to 128"),
        (IndexType.AUTO, {"ef_construct": 1}, "ef_construct must be 8"),
        (IndexType.DISKANN, {"max_degree": 9_999}, "max_degree must be 1 to 512"),
        (IndexType.IVF_SQ8, {"m": 8}, "takes nlist"),
        (IndexType.IVF_PQ, {"m": 7}, "m must divide the model's dimension, 48"),
        (IndexType.IVF_PQ, {"nbits": 16}, "nbits must be 1 to 10"),
    ],
)
def test_what_milvus_cannot_build_is_said(kind: IndexType, parameters: dict[str, int], sentence: str) -> None:
    with pytest.raises(SoutuError, match=sentence) as refused:
        check_spec(IndexSpec(kind, parameters), 48)
    assert refused.value.reason is Reason.FIELD_INVALID
