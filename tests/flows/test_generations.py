"""Generations: another index beside the one that serves, made, searched, published, rolled back, deleted."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from soutu.client import Client, OperationHandle, SoutuCallError
from soutu.v1.collection_pb2 import INDEX_TYPE_FLAT, INDEX_TYPE_HNSW, Generation, Index
from soutu.v1.collection_service_pb2 import OperationMetadata
from tests.flows import pictures
from tests.flows.inside import kept_indexes
from tests.flows.models import SECOND, add_second_model
from tests.flows.refusals import refused
from tests.flows.served import SOURCE_ROOT, Served, until

BUILD_S = 60.0
SIZE = (96, 72)
FLAT = Index(type=INDEX_TYPE_FLAT)


@pytest.fixture(autouse=True)
def second_model(server: Served) -> str:
    """A model besides the bundled one, of another dimension."""
    return add_second_model(server.data_dir)


@pytest.fixture
def filled(client: Client, collection: str) -> str:
    """A collection of 12 pictures, p0 to p11."""
    for number in range(12):
        upload(client, collection, number)
    return collection


def upload(client: Client, collection: str, number: int) -> str:
    """The revision of a picture uploaded under its number."""
    answer = client.images.upload(collection, pictures.jpeg(number, *SIZE), image_id=f"p{number}")
    assert answer.receipt.indexed
    return answer.receipt.revision


def found(client: Client, where: str, number: int, size: int = 100) -> list[str]:
    """The ids of what is found with a picture, best first."""
    answer = client.search(where, pictures.jpeg(number, *SIZE), page_size=size)
    return [match.name.rsplit("/", 1)[1] for match in answer.matches]


def built(client: Client, collection: str, name: str, model: str = "", index: Index | None = None) -> str:
    """The full name of a generation, built."""
    operation = client.generations.create(collection, name, model=model, index=index)
    made = operation.wait(BUILD_S)
    assert made.name == f"collections/{collection}/generations/{name}"
    assert made == client.generations.get(made.name)
    return made.name


def states(client: Client, collection: str) -> dict[str, int]:
    return {each.name.rsplit("/", 1)[1]: each.state for each in client.generations.list(collection)}


def active(client: Client, collection: str) -> str:
    return client.collections.get(collection).active_generation.rsplit("/", 1)[1]


def test_one_with_another_model_is_built_from_the_originals(client: Client, filled: str) -> None:
    second = built(client, filled, "second", SECOND)
    made = client.generations.get(second)
    assert (made.state, made.active, made.model) == (Generation.STATE_READY, False, SECOND)
    assert (made.pending_changes, made.image_count) == (0, 12)
    assert made.followed_revision == client.collections.get(filled).revision
    for name, model in ((filled, "models/gradient-color@1"), (second, SECOND)):
        answer = client.search(name, pictures.jpeg(5, *SIZE))
        assert answer.matches[0].name.endswith("/p5")
        assert answer.report.model == model
    scores = [[match.score for match in client.search(name, "p5").matches] for name in (filled, second)]
    assert scores[0] != scores[1]


def test_one_with_other_parameters_takes_the_stored_embeddings(
    client: Client, collection: str, build_root: Path, request: pytest.FixtureRequest
) -> None:
    source = build_root / request.node.name
    source.mkdir()
    for number in range(8):
        (source / f"p{number}.jpg").write_bytes(pictures.jpeg(number, *SIZE))
    client.collections.build(collection, source).wait(BUILD_S)
    shutil.rmtree(source)  # nothing can be embedded anew
    index = Index(type=INDEX_TYPE_HNSW, parameters={"m": 8, "ef_construct": 64}, candidates=77)
    second = built(client, collection, "small", index=index)
    made = client.generations.get(second)
    assert (made.model, made.index) == ("models/gradient-color@1", index)
    answers = [client.search(name, pictures.jpeg(3, *SIZE)).matches for name in (collection, second)]
    assert [each.name for each in answers[0]] == [each.name for each in answers[1]]
    assert len(answers[0]) == 8


def test_uploads_and_deletes_made_meanwhile_are_in_both(client: Client, filled: str) -> None:
    operation = client.generations.create(filled, "second", model=SECOND)
    client.images.delete("p1", collection=filled)
    upload(client, filled, 20)
    operation.wait(BUILD_S)
    client.images.delete("p2", collection=filled)
    revision = upload(client, filled, 21)
    expected = {f"p{number}" for number in (0, *range(3, 12), 20, 21)}
    for name in (filled, f"collections/{filled}/generations/second"):
        answer = client.search(name, pictures.jpeg(0, *SIZE), page_size=100, min_revision=revision)
        assert {match.name.rsplit("/", 1)[1] for match in answer.matches} == expected
        assert found(client, name, 21)[0] == "p21"


def test_publishing_and_rolling_back_are_one_call_each(client: Client, filled: str) -> None:
    second = built(client, filled, "second", SECOND)
    published = client.generations.publish(second)
    assert (published.active_generation, published.model) == (second, SECOND)
    assert client.search(filled, "p5").report.generation == second
    assert client.generations.get(second).HasField("publish_time")
    upload(client, filled, 30)
    back = client.generations.roll_back(filled)
    assert (back.active_generation.rsplit("/", 1)[1], back.model) == ("g1", "models/gradient-color@1")
    assert found(client, filled, 30)[0] == "p30"
    assert client.generations.roll_back(filled).active_generation == second


def test_one_may_be_published_as_soon_as_it_is_built(client: Client, filled: str) -> None:
    client.generations.create(filled, "second", model=SECOND, publish=True).wait(BUILD_S)
    assert active(client, filled) == "second"


def test_nothing_to_roll_back_to_is_said(client: Client, filled: str) -> None:
    with refused("GENERATION_UNREADY"):
        client.generations.roll_back(filled)


def test_progress_runs_to_the_end(client: Client, filled: str) -> None:
    seen = list(client.generations.create(filled, model=SECOND).progress(0.02))
    assert [each.done for each in seen] == sorted(each.done for each in seen)
    assert (seen[-1].state, seen[-1].kind) == (OperationMetadata.STATE_SUCCEEDED, "generation")
    assert (seen[-1].total, seen[-1].done, seen[-1].failed) == (12, 12, 0)


def test_an_image_that_cannot_be_embedded_is_listed_and_stops_nothing(
    client: Client, filled: str, build_root: Path, request: pytest.FixtureRequest
) -> None:
    source = build_root / request.node.name
    source.mkdir()
    (source / "lost.jpg").write_bytes(pictures.jpeg(50, *SIZE))
    client.collections.build(filled, source).wait(BUILD_S)
    (source / "lost.jpg").unlink()
    operation = client.generations.create(filled, "second", model=SECOND)
    operation.wait(BUILD_S)
    assert [each.reason for each in operation.failures()] == ["ORIGINAL_GONE"]
    assert list(operation.progress())[-1].failed == 1
    assert len(found(client, filled, 0)) == 13
    assert len(found(client, f"collections/{filled}/generations/second", 0)) == 12


def test_the_estimate_tells_work_and_room(client: Client, filled: str) -> None:
    again = client.generations.estimate(filled, index=FLAT)
    assert again.images_to_embed == 0
    anew = client.generations.estimate(filled, model=SECOND)
    assert anew.images_to_embed == 12
    assert anew.duration.ToTimedelta() > again.duration.ToTimedelta()
    assert anew.disk_bytes > 0 < anew.memory_bytes
    assert states(client, filled) == {"g1": Generation.STATE_READY}


def test_a_page_token_goes_on_after_publishing_and_ends_with_its_generation(
    client: Client, filled: str
) -> None:
    second = built(client, filled, "second", SECOND)
    before = found(client, filled, 4)
    first = client.search(filled, pictures.jpeg(4, *SIZE), page_size=5)
    client.generations.publish(second)
    rest = client.search(filled, pictures.jpeg(4, *SIZE), page_size=100, page_token=first.next_page_token)
    assert [match.name.rsplit("/", 1)[1] for match in (*first.matches, *rest.matches)] == before
    client.generations.delete("g1", filled)
    with refused("PAGE_TOKEN_EXPIRED"):
        client.search(filled, pictures.jpeg(4, *SIZE), page_size=5, page_token=first.next_page_token)


def test_a_deleted_generation_leaves_nothing(server: Served, client: Client, filled: str) -> None:
    second = built(client, filled, "second", index=FLAT)
    uid = client.generations.get(second).uid
    assert uid in kept_indexes(server)
    client.generations.delete(second)
    assert uid not in kept_indexes(server)
    for call in (client.generations.get, client.generations.publish, client.generations.delete):
        with refused("GENERATION_NOT_FOUND"):
            call(second)
    with refused("GENERATION_NOT_FOUND"):
        client.search(second, "p5")


def test_the_active_generation_is_not_deleted(client: Client, filled: str) -> None:
    with refused("GENERATION_ACTIVE"):
        client.generations.delete("g1", filled)
    assert found(client, filled, 5)[0] == "p5"


def test_what_cannot_be_made_is_refused_at_once(client: Client, filled: str) -> None:
    built(client, filled, "second", index=FLAT)
    with refused("GENERATION_EXISTS"):
        client.generations.create(filled, "second", model=SECOND)
    with refused("FIELD_INVALID"):
        client.generations.create(filled, "third", index=Index(parameters={"ef_construct": 1}))
    with refused("FIELD_INVALID", "generation_id"):
        client.generations.create(filled, "No Name")
    with refused("MODEL_NOT_FOUND"):
        client.generations.create(filled, "third", model="nothing@1")
    assert set(states(client, filled)) == {"g1", "second"}


def test_cancelling_leaves_nothing_but_its_name(server: Served, client: Client, collection: str) -> None:
    list(client.images.upload_many(collection, [pictures.jpeg(number, *SIZE) for number in range(150)]))
    operation = client.generations.create(collection, "second", model=SECOND)
    operation.cancel()
    with refused("OPERATION_CANCELLED"):
        operation.wait(BUILD_S)
    made = client.generations.get("second", collection)
    assert made.state == Generation.STATE_FAILED
    assert made.uid not in kept_indexes(server)
    with refused("GENERATION_UNREADY"):
        client.search(made.name, "p5")
    with refused("GENERATION_UNREADY"):
        client.generations.publish(made.name)
    upload(client, collection, 200)
    client.generations.delete(made.name)
    built(client, collection, "second", SECOND)
    assert found(client, f"collections/{collection}/generations/second", 200)[0] == "p200"


def test_a_generation_deleted_while_it_is_built_ends_its_operation(
    server: Served, client: Client, filled: str
) -> None:
    operation = client.generations.create(filled, "second", model=SECOND)
    uid = client.generations.get("second", filled).uid
    client.generations.delete("second", filled)
    assert _ended(operation) in ("GENERATION_NOT_FOUND", "")  # "": it was built before it was deleted
    until(lambda: uid not in kept_indexes(server))
    assert states(client, filled) == {"g1": Generation.STATE_READY}


@pytest.mark.slow
def test_the_command_line_builds_publishes_and_rolls_back(server: Served, filled: str) -> None:
    def soutu(*arguments: str, answer: str = "") -> str:
        command = [sys.executable, "-m", "soutu.cli", "--address", server.address, "generations", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(SOURCE_ROOT)}
        return subprocess.run(
            command, input=answer, env=environment, capture_output=True, text=True, check=True
        ).stdout

    named = ("create", filled, "second", "--model", SECOND)
    asked = soutu(*named, "--publish", answer="y\n")
    assert "12 images to embed · about" in asked
    assert f"collections/{filled}/generations/second is built and published" in asked
    assert "active" in soutu("list", filled)
    assert "nothing to embed" in soutu("estimate", filled, "--index", "hnsw", "--set", "m=32")
    assert soutu("rollback", filled).strip().endswith("/g1")
    assert soutu("publish", filled, "second").strip().endswith("/second")
    soutu("create", filled, "third", "--set", "m=8", "--yes")
    soutu("delete", filled, "g1")
    assert set(states(server.client, filled)) == {"second", "third"}


def _ended(operation: "OperationHandle[Generation]") -> str:
    """Why an operation failed; empty where it did not."""
    try:
        operation.wait(BUILD_S)
    except SoutuCallError as error:
        return error.reason
    return ""


@pytest.mark.slow
def test_failures_outlive_a_kill_and_are_listed_once(lone_server: Served, tmp_path: Path) -> None:
    add_second_model(lone_server.data_dir)
    client, source = lone_server.client, tmp_path / "pictures" / "lost"
    source.mkdir()
    lost = [f"p{number:03}.jpg" for number in range(0, 700, 7)]
    for number in range(700):
        (source / f"p{number:03}.jpg").write_bytes(pictures.jpeg(number, 48, 36))
    client.collections.create("c")
    client.collections.build("c", source).wait(BUILD_S)
    for name in lost:
        (source / name).unlink()
    operation = client.generations.create("c", "second", model=SECOND)
    until(lambda: list(operation.failures()), BUILD_S)  # the first shard of 512
    lone_server.kill()
    lone_server.restart()
    client = lone_server.client
    resumed = client.operations.handle(client.operations.get(operation.name), Generation)
    resumed.wait(BUILD_S)
    titles = {image.name.rsplit("/", 1)[1]: image.origin.path for image in client.images.list("c")}
    failures = [titles[failure.subject] for failure in resumed.failures()]
    assert sorted(failures) == lost, "each once"
