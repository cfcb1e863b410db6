"""Collections: made, read, deleted, and made anew."""

from collections.abc import Callable
from pathlib import Path

import pytest

from soutu.client import Client
from soutu.v1.attribute_pb2 import ATTRIBUTE_TYPE_INTEGER, Attribute
from soutu.v1.collection_pb2 import (
    INDEX_TYPE_DISKANN,
    INDEX_TYPE_FLAT,
    INDEX_TYPE_HNSW,
    INDEX_TYPE_IVF_PQ,
    Index,
    IndexType,
)
from soutu.v1.collection_service_pb2 import ListCollectionsRequest, ListGenerationsRequest
from tests.flows import pictures
from tests.flows.refusals import refused
from tests.flows.served import Served


def test_a_collection_is_made_as_asked_and_read_back(client: Client) -> None:
    made = client.collections.create(
        "a.b-c_9",
        display_name="Möbel",
        description="chairs",
        attributes={"year": Attribute(type=ATTRIBUTE_TYPE_INTEGER)},
        index=Index(type=INDEX_TYPE_FLAT),
    )
    try:
        assert client.collections.get("a.b-c_9") == made
        assert made.name == "collections/a.b-c_9"
        assert (made.display_name, made.description, made.image_count) == ("Möbel", "chairs", 0)
        assert made.attributes["year"].type == ATTRIBUTE_TYPE_INTEGER
        assert made.model.startswith("models/gradient-color@")
        assert made.index.type == INDEX_TYPE_FLAT
        assert made.uid
        assert made.etag
        assert made.HasField("create_time")
    finally:
        client.collections.delete("a.b-c_9")
    with refused("COLLECTION_NOT_FOUND"):
        client.collections.get("a.b-c_9")


def test_a_taken_name_is_refused(client: Client, collection: str) -> None:
    with refused("COLLECTION_EXISTS"):
        client.collections.create(collection)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "a-", "A", "x" * 65, "a\0b", "é", "../c"])
def test_names_that_are_none_are_refused(client: Client, name: str) -> None:
    with refused("FIELD_INVALID", "collection_id"):
        client.collections.create(name)


def test_collections_are_listed_by_name_page_by_page(
    server: Served, new_collection: Callable[[], str]
) -> None:
    made = sorted(f"collections/{new_collection()}" for _ in range(3))
    listed, request = [], ListCollectionsRequest(page_size=2)
    while True:
        page = server.stubs.collections.ListCollections(request)
        assert len(page.collections) <= 2
        listed += [each.name for each in page.collections]
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert listed == sorted(set(listed))
    assert set(made) <= set(listed)


def test_a_collection_counts_its_images_and_changes_its_revision(client: Client, collection: str) -> None:
    revisions = {client.collections.get(collection).revision}
    for number in range(3):
        receipt = client.images.upload(collection, pictures.jpeg(number), image_id=f"i{number}").receipt
        now = client.collections.get(collection)
        assert (now.image_count, now.revision) == (number + 1, receipt.revision)
        revisions.add(now.revision)
    client.images.delete("i0", collection=collection)
    revisions.add(client.collections.get(collection).revision)
    assert client.collections.get(collection).image_count == 2
    assert len(revisions) == 5


def test_its_first_generation_is_ready_active_and_caught_up(server: Served, collection: str) -> None:
    server.client.images.upload(collection, pictures.jpeg(1))
    request = ListGenerationsRequest(parent=f"collections/{collection}")
    (generation,) = server.stubs.collections.ListGenerations(request).generations
    assert generation.state == generation.STATE_READY
    assert generation.active
    assert generation.pending_changes == 0
    assert generation.name == server.client.collections.get(collection).active_generation


def test_one_that_holds_images_is_deleted_with_force_only(client: Client, collection: str) -> None:
    client.images.upload(collection, pictures.jpeg(1))
    with refused("COLLECTION_NOT_EMPTY"):
        client.collections.delete(collection)
    assert client.images.count(collection) == 1
    client.collections.delete(collection, force=True)
    with refused("COLLECTION_NOT_FOUND"):
        client.search(collection, pictures.jpeg(1))
    with refused("COLLECTION_NOT_FOUND"):
        client.images.upload(collection, pictures.jpeg(1))
    with refused("COLLECTION_NOT_FOUND"):
        client.collections.delete(collection, force=True)


def test_an_etag_guards_a_deletion(client: Client, collection: str) -> None:
    with refused("ETAG_MISMATCH"):
        client.collections.delete(collection, etag="stale")
    client.collections.delete(collection, etag=client.collections.get(collection).etag)


def test_a_name_made_anew_meets_nothing_old(client: Client, collection: str) -> None:
    before = client.collections.get(collection)
    client.images.upload(collection, pictures.jpeg(1), image_id="one", request_id="r1")
    revision = client.images.upload(collection, pictures.jpeg(2), image_id="two").receipt.revision
    token = client.search(collection, pictures.jpeg(1), page_size=1).next_page_token
    assert token
    client.collections.delete(collection, force=True)
    anew = client.collections.create(collection)
    assert anew.uid != before.uid
    assert anew.image_count == 0
    assert not client.search(collection, pictures.jpeg(1)).matches
    assert not list(client.images.list(collection))
    with refused("PAGE_TOKEN_EXPIRED"):
        client.search(collection, pictures.jpeg(1), page_token=token)
    with refused("REVISION_INVALID"):
        client.search(collection, pictures.jpeg(1), min_revision=revision)
    other = client.images.upload(collection, pictures.jpeg(3), image_id="one", request_id="r1")
    assert other.created
    matches = client.search(collection, pictures.jpeg(1), min_revision=other.receipt.revision).matches
    assert [match.image.uid for match in matches] == [other.image.uid]


def test_the_same_content_in_two_collections_outlives_one_of_them(
    client: Client, new_collection: Callable[[], str]
) -> None:
    one, other = new_collection(), new_collection()
    for name in (one, other):
        client.images.upload(name, pictures.jpeg(7), image_id="shared")
    client.collections.delete(one, force=True)
    assert client.search(other, pictures.jpeg(7)).matches[0].score == pytest.approx(1, abs=2e-3)
    assert client.images.thumbnail("shared", collection=other)


@pytest.mark.placed  # Milvus lacks none
def test_an_index_type_that_the_store_lacks_is_refused(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        for kind in (INDEX_TYPE_DISKANN, INDEX_TYPE_IVF_PQ):
            with refused("FIELD_INVALID"):
                served.client.collections.create("unmade", index=Index(type=kind))
            with refused("COLLECTION_NOT_FOUND"):
                served.client.collections.get("unmade")


@pytest.mark.parametrize("kind", [INDEX_TYPE_FLAT, INDEX_TYPE_HNSW])
def test_every_index_type_of_the_store_finds(client: Client, kind: IndexType.ValueType) -> None:
    client.collections.create("kind", index=Index(type=kind))
    try:
        for seed in range(5):
            client.images.upload("kind", pictures.jpeg(seed), image_id=f"i{seed}")
        assert client.search("kind", pictures.jpeg(3)).matches[0].name.endswith("/i3")
    finally:
        client.collections.delete("kind", force=True)


@pytest.mark.parametrize(
    "model", ["models/nope", "models/nope@1", "models/gradient-color@999", "models/..", "models/a\0b"]
)
def test_an_unknown_model_is_refused(client: Client, model: str) -> None:
    with refused("MODEL_NOT_FOUND"):
        client.collections.create("unmade", model=model)


@pytest.mark.parametrize("model", ["nope", "models/", "models/a/b", "models/../../x"])
def test_what_is_no_models_name_is_refused(client: Client, model: str) -> None:
    with refused("FIELD_INVALID", "collection.model"):
        client.collections.create("unmade", model=model)
