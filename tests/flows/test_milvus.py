"""A service whose index is a real Milvus, which goes away and comes back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from soutu.client import SoutuCallError
from soutu.v1.collection_pb2 import INDEX_TYPE_FLAT, INDEX_TYPE_IVF_FLAT, INDEX_TYPE_IVF_PQ, Index
from tests.contract.milvus import TestedMilvus
from tests.flows import pictures
from tests.flows.proxied import Proxies, proxied
from tests.flows.served import Served, until

pytestmark = [pytest.mark.slow, pytest.mark.placed]
BACK_S = 60.0
WAIT_S = 5.0
MILVUS = "SOUTU_INDEX_URL"
STORED = 6


@pytest.fixture
def proxies(milvus: TestedMilvus) -> Iterator[Proxies]:
    """The way to Milvus, which can be cut: to start Milvus 2.3.5 again may take it minutes."""
    with proxied(milvus.settings) as proxies:
        yield proxies
    milvus.clear()


@pytest.fixture
def served(proxies: Proxies, tmp_path: Path) -> Iterator[Served]:
    """A service on Milvus and SQLite with six pictures, of categories k0 and k1 in turn."""
    settings = {
        **proxies.settings,
        "SOUTU_INDEX_WAIT_S": str(WAIT_S),
        "SOUTU_INDEX_INDEXED_WAIT_S": "20",
        "SOUTU_CACHE_MEMORY_BYTES": "1024",  # so that searches are made
    }
    with Served(tmp_path, settings=settings) as served:
        served.client.collections.create("c")
        for number in range(STORED):
            assert uploaded(served, number)
        yield served


def uploaded(served: Served, number: int) -> bool:
    """Whether the picture, uploaded, was in the index when the answer came."""
    picture, category = pictures.jpeg(number), f"k{number % 2}"
    answer = served.client.images.upload("c", picture, image_id=f"i{number}", category=category)
    return answer.receipt.indexed


def found(served: Served, number: int, where: str = "c", **fields: str) -> list[str]:
    """The ids of what is found with a picture, best first."""
    answer = served.client.search(where, pictures.jpeg(number), page_size=50, **fields)  # type: ignore[arg-type]
    return [match.image.name.rsplit("/", 1)[1] for match in answer.matches]


def refusal(served: Served) -> str:
    """The reason that a search is refused with, or ""."""
    try:
        found(served, 1)
    except SoutuCallError as error:
        return error.reason if error.status == "UNAVAILABLE" else f"{error.status} {error.reason}"
    return ""


def test_what_is_written_is_found_at_once(served: Served) -> None:
    assert found(served, 3)[0] == "i3"
    assert sorted(found(served, 3)) == [f"i{number}" for number in range(STORED)]
    assert sorted(found(served, 3, filter="category = k1")) == ["i1", "i3", "i5"]
    assert found(served, 3, filter='category = "k1\\" or uid >= 0 or \\"" OR category = "\' or 1 == 1"') == []
    served.client.images.update("i3", collection="c", category="other")
    assert found(served, 3, filter="category = other") == ["i3"]
    assert sorted(found(served, 3, filter="category = k1")) == ["i1", "i5"]
    served.client.images.delete("i3", collection="c")
    assert "i3" not in found(served, 3)
    assert uploaded(served, 3)
    assert found(served, 3)[0] == "i3"


def test_a_second_generation_is_built_and_published(served: Served) -> None:
    flat = Index(type=INDEX_TYPE_FLAT)
    made = served.client.generations.create("c", "flat", index=flat).wait(BACK_S)
    assert found(served, 2, made.name)[0] == "i2"
    assert uploaded(served, STORED)
    served.client.generations.publish(made.name)
    assert found(served, STORED)[0] == f"i{STORED}"
    assert served.client.collections.get("c").index.type == INDEX_TYPE_FLAT
    served.client.generations.roll_back("c")
    assert found(served, STORED)[0] == f"i{STORED}"


def test_an_index_that_milvus_cannot_build_is_refused(served: Served) -> None:
    with pytest.raises(SoutuCallError) as refused:
        served.client.generations.create(
            "c", "pq", index=Index(type=INDEX_TYPE_IVF_PQ, parameters={"m": 7919})
        )
    assert refused.value.reason == "FIELD_INVALID"
    with pytest.raises(SoutuCallError) as refused:
        served.client.generations.create(
            "c", "ivf", index=Index(type=INDEX_TYPE_IVF_FLAT, parameters={"ef_construct": 9})
        )
    assert "takes nlist" in str(refused.value)


def test_a_service_that_starts_again_goes_on(served: Served) -> None:
    served.stop()
    served.restart()
    assert until(lambda: refusal(served) == "", BACK_S)
    assert sorted(found(served, 3)) == [f"i{number}" for number in range(STORED)]
    assert uploaded(served, STORED)


def test_without_milvus_writes_commit_and_follow_later(served: Served, proxies: Proxies) -> None:
    with proxies.cut(MILVUS):
        assert until(lambda: refusal(served)) == "INDEX_UNAVAILABLE"
        part = next(part for part in served.client.status().parts if part.part == "index")
        assert not part.healthy
        assert "index.url" in part.detail
        served.stop()
        served.restart()  # it serves, without an index
        assert until(lambda: refusal(served)) in ("INDEX_UNREADY", "INDEX_UNAVAILABLE")
        assert not uploaded(served, STORED)
        served.client.images.delete("i0", collection="c")
        assert served.client.images.get(f"i{STORED}", collection="c").category == "k0"
    assert until(lambda: refusal(served) == "", BACK_S)
    wanted = [f"i{number}" for number in range(1, STORED + 1)]
    assert until(lambda: sorted(found(served, STORED)) == wanted, BACK_S)


def test_a_milvus_that_stands_still_is_not_waited_for_long(served: Served, proxies: Proxies) -> None:
    with proxies.still(MILVUS):
        assert until(lambda: refusal(served)) == "INDEX_UNAVAILABLE"
    assert until(lambda: refusal(served) == "", BACK_S)
    assert uploaded(served, STORED)


def test_a_collection_that_was_released_is_loaded_again(served: Served, milvus: TestedMilvus) -> None:
    client = milvus.client()
    for name in milvus.collections():
        client.release_collection(name)
    client.close()
    assert refusal(served) in ("", "INDEX_UNREADY")  # it may have been loaded again by then
    assert until(lambda: refusal(served) == "", BACK_S)
    assert found(served, 1)[0] == "i1"


def test_a_collection_that_was_dropped_is_made_again(served: Served, milvus: TestedMilvus) -> None:
    client = milvus.client()
    for name in milvus.collections():
        client.drop_collection(name)
    client.close()
    assert refusal(served) == "INDEX_UNREADY"
    assert until(lambda: refusal(served) == "" and len(found(served, 1)) == STORED, BACK_S)
