"""Purges, rebuilds and tuning."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from soutu.client import Client
from soutu.v1.collection_service_pb2 import CreateGenerationRequest
from tests.flows import pictures
from tests.flows.admin import downloaded, files_with, filled, scores
from tests.flows.inside import kept_indexes
from tests.flows.refusals import refused
from tests.flows.served import Served

UNIQUE = "zanzibarquokka"


# Purges and rebuilds


@pytest.mark.slow
@pytest.mark.placed
def test_a_purge_leaves_no_trace(admin_server: Served, tmp_path: Path) -> None:
    client = admin_server.client
    filled(client, "c", 8)
    secret = pictures.jpeg(77)
    client.images.upload("c", secret, image_id=f"{UNIQUE}-1", title=f"{UNIQUE} one", request_id=f"r-{1}")
    client.images.upload("c", pictures.jpeg(78), image_id=f"{UNIQUE}-2", title=f"{UNIQUE} two")
    client.images.thumbnail(f"{UNIQUE}-1", collection="c")
    client.search("c", secret)
    client.images.delete(f"{UNIQUE}-2", collection="c")
    admin_server.stop()
    admin_server.restart()
    client = admin_server.client
    assert files_with(admin_server.data_dir, UNIQUE.encode(), secret)
    result = client.admin.purge("c", [f"{UNIQUE}-1", f"{UNIQUE}-2"]).wait(60)
    assert (result.image_count, result.content_count) == (2, 2)
    assert all(name.startswith("i") for name, _ in scores(client, "c", 77))
    assert files_with(admin_server.data_dir, UNIQUE.encode(), secret[:2_000], pictures.jpeg(78)) == []
    admin_server.stop()
    admin_server.restart()
    client = admin_server.client
    assert client.images.count("c") == 8
    assert scores(client, "c", 3)[0][0] == "i3"
    assert files_with(admin_server.data_dir, UNIQUE.encode(), secret[:2_000], pictures.jpeg(78)) == []
    with closing(sqlite3.connect(admin_server.data_dir / "catalog.db")) as database:
        assert database.execute("SELECT COUNT(*) FROM contents").fetchone() == (8,)
        assert database.execute("SELECT COUNT(*) FROM embeddings").fetchone() == (8,)
    with refused("IMAGE_NOT_FOUND"):
        client.images.upload("c", secret, image_id=f"{UNIQUE}-1", title=f"{UNIQUE} one", request_id=f"r-{1}")


@pytest.mark.slow
def test_a_purge_keeps_bytes_that_another_image_has(admin_server: Served) -> None:
    client = admin_server.client
    for name in ("c", "d"):
        client.collections.create(name)
        client.images.upload(name, pictures.jpeg(7), image_id="shared")
    result = client.admin.purge("c", ["shared"]).wait(60)
    assert (result.image_count, result.content_count) == (1, 0)
    assert scores(client, "d", 7)[0][0] == "shared"
    assert downloaded(client, "shared", "d") == pictures.jpeg(7)
    assert client.admin.purge("d", ["shared", "never-was"]).wait(60).content_count == 1
    client.images.upload("d", pictures.jpeg(7), image_id="shared")
    assert downloaded(client, "shared", "d") == pictures.jpeg(7)


@pytest.mark.slow
def test_a_purge_reaches_every_generation_and_spares_the_users_files(
    admin_server: Served, tmp_path: Path
) -> None:
    root = tmp_path / "pictures"
    for seed in range(4):
        (root / f"{UNIQUE}{seed}.jpg").write_bytes(pictures.jpeg(seed))
    client = admin_server.client
    client.collections.create("c")
    client.collections.build("c", root).wait(60)
    operation = admin_server.stubs.collections.CreateGeneration(
        CreateGenerationRequest(parent="collections/c", generation_id="second")
    )
    client.operations.wait(operation.name, 60)
    ids = [image.name for image in client.images.list("c")]
    assert client.admin.purge("c", ids).wait(60).image_count == 4
    assert len(list(root.iterdir())) == 4
    assert client.images.count("c") == 0
    assert scores(client, "collections/c/generations/second", 1) == []
    for stored in ("index", "objects"):
        assert files_with(admin_server.data_dir / stored, UNIQUE.encode()) == []


def test_which_purges_are_refused(client: Client, collection: str) -> None:
    with refused("FIELD_INVALID", "names"):
        client.admin.purge(collection, [])
    with refused("FIELD_INVALID", "names[0]"):
        client.admin.purge(collection, ["collections/other/images/x"])
    with refused("COLLECTION_NOT_FOUND"):
        client.admin.purge("none", ["x"])


def test_an_index_is_made_again_while_searches_go_on(server: Served, collection: str) -> None:
    client = server.client
    for number in range(20):
        client.images.upload(collection, pictures.jpeg(number), image_id=f"i{number}")
    before = scores(client, collection, 5)
    generation = client.collections.get(collection).active_generation
    handle = client.admin.rebuild_index(collection)
    searched = 0
    while not client.operations.get(handle.name).done:
        assert scores(client, collection, 5)[0][0] == "i5"
        searched += 1
    client.images.upload(collection, pictures.jpeg(30), image_id="later")
    assert searched > 1
    assert handle.wait(60).image_count == 20
    assert scores(client, collection, 5) == before
    assert scores(client, collection, 30)[0][0] == "later"
    assert client.collections.get(collection).active_generation == generation
    assert client.admin.rebuild_index(generation).wait(60).image_count == 21


def test_tuning_keeps_the_smallest_list_that_finds_enough(client: Client, collection: str) -> None:
    for number in range(12):
        client.images.upload(collection, pictures.jpeg(number))
    result = client.admin.tune_index(collection, 0.9).wait(60)
    assert result.candidates == 16
    assert result.points[0].recall >= 0.9
    assert result.points[0].median.ToNanoseconds() > 0
    assert client.collections.get(collection).index.candidates == 16
    with refused("FIELD_INVALID", "recall"):
        client.admin.tune_index(collection, 1.5)


@pytest.mark.slow
def test_an_unfinished_rebuild_goes_on_after_a_kill(admin_server: Served) -> None:
    client = admin_server.client
    filled(client, "c", 10)
    handle = client.admin.rebuild_index("c")
    admin_server.kill()
    admin_server.restart()
    client = admin_server.client
    assert client.operations.wait(handle.name, 60).done
    assert not client.operations.get(handle.name).HasField("error")
    assert scores(client, "c", 3)[0][0] == "i3"
    assert len(kept_indexes(admin_server)) == 1
