"""Images are labelled as they are written, by the label sets of their collection, under a real model."""

import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from soutu.client import Client, Text, label_set
from soutu.v1 import collection_pb2 as messages
from soutu.v1.collection_service_pb2 import CreateCollectionRequest, UpdateCollectionRequest
from soutu.v1.image_service_pb2 import ON_CONFLICT_REPLACE
from tests.contract.towers import TWO_TOWERS, write_two_towers
from tests.flows.cli import soutu
from tests.flows.refusals import refusal_of
from tests.flows.served import Served, until
from tests.flows.test_text import COLOURS, painted

MODEL = f"models/{TWO_TOWERS}"
_numbers = count(1)


def labels(name: str, **prompts: list[str]) -> messages.LabelSet:
    return messages.LabelSet(
        name=name, labels=[messages.Label(label=label, prompts=texts) for label, texts in prompts.items()]
    )


WARM = labels("warmth", warm=["red", "a yellow picture"], cold=["blue", "green"])
COLOUR = labels("colour", red=[], green=[], blue=[], yellow=[])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("labels"), [root])
    write_two_towers(served.data_dir / "models" / TWO_TOWERS.name / TWO_TOWERS.version)
    with served:
        yield served


@pytest.fixture
def client(served: Served) -> Client:
    return served.client


@pytest.fixture
def made(client: Client) -> Callable[..., str]:
    """Makes a collection with these label sets."""

    def make(*sets: messages.LabelSet) -> str:
        name = f"l{next(_numbers)}"
        client.collections.create(name, model=MODEL, label_sets=sets)
        return name

    return make


def of(client: Client, collection: str, image: str) -> dict[str, str]:
    """The most probable label of each set."""
    found = client.images.get(image, collection=collection).labels
    return {each.label_set: each.label for each in reversed(found)}


def filled(client: Client, collection: str) -> str:
    for name, colour in COLOURS.items():
        client.images.upload(collection, painted(colour), image_id=name)
    return collection


def test_an_upload_is_labelled(client: Client, made: Callable[..., str]) -> None:
    name = made(WARM, COLOUR)

    receipt = client.images.upload(name, painted(COLOURS["red"]), image_id="red")

    first, *rest = receipt.image.labels
    assert (first.label_set, first.label) == ("warmth", "warm")
    assert 0.5 < first.probability <= 1
    assert [(each.label_set, each.label) for each in rest] == [("colour", "red")]
    assert list(client.images.get("red", collection=name).labels) == list(receipt.image.labels)


def test_the_probabilities_of_a_set_are_one_at_the_most(client: Client, made: Callable[..., str]) -> None:
    name = filled(client, made(WARM, COLOUR))
    for image in client.images.list(name):
        for each in ("warmth", "colour"):
            chances = [label.probability for label in image.labels if label.label_set == each]
            assert chances == sorted(chances, reverse=True)
            assert all(chance >= 0.1 for chance in chances)
            assert sum(chances) < 1.001


def test_a_build_labels_without_embedding_anew(client: Client, made: Callable[..., str], root: Path) -> None:
    folder = root / "built"
    folder.mkdir()
    for name, colour in COLOURS.items():
        (folder / f"{name}.jpg").write_bytes(painted(colour))
    name = made(COLOUR)

    client.collections.build(name, folder).wait()

    found = {image.origin.path: image.labels[0].label for image in client.images.list(name) if image.labels}
    assert {path: label for path, label in found.items() if label in path} == {
        f"{colour}.jpg": colour for colour in ("red", "green", "blue", "yellow")
    }


def test_filters_find_labels(client: Client, made: Callable[..., str]) -> None:
    name = filled(client, made(WARM, COLOUR))

    warm = {image.name.rpartition("/")[2] for image in client.images.list(name, filter='labels:"warm"')}
    assert {"red", "yellow"} <= warm
    assert not warm & {"blue", "green"}
    answer = client.search(name, Text("blue"), filter="labels:red")
    found = {match.name.rpartition("/")[2] for match in answer.matches}
    assert "red" in found
    assert not found & {"blue", "green"}
    assert all("red" in {label.label for label in match.image.labels} for match in answer.matches)
    assert client.images.count(name, filter="NOT labels:*") == 0
    assert client.images.count(name, filter='labels:"purple"') == 0


def test_a_change_of_label_sets_labels_images_anew(client: Client, made: Callable[..., str]) -> None:
    name = filled(client, made())
    assert of(client, name, "red") == {}

    for sets, wanted in (([WARM], {"warmth": "warm"}), ([COLOUR], {"colour": "red"}), ([], {})):
        changed = client.collections.update(name, label_sets=sets)
        assert list(changed.label_sets) == sets
        until(lambda wanted=wanted: of(client, name, "red") == wanted)  # type: ignore[misc]
    assert client.collections.update(name, description="the same").label_sets == []
    assert client.images.count(name) == len(COLOURS)


def test_a_revision_keeps_labels_and_another_picture_gets_its_own(
    client: Client, made: Callable[..., str]
) -> None:
    name = filled(client, made(COLOUR))

    client.images.update("red", collection=name, title="Red")
    assert of(client, name, "red") == {"colour": "red"}
    client.images.upload(name, painted(COLOURS["blue"]), image_id="red", on_conflict=ON_CONFLICT_REPLACE)
    assert of(client, name, "red") == {"colour": "blue"}


def test_labels_and_sets_survive_a_restart(tmp_path: Path) -> None:
    served = Served(tmp_path)
    write_two_towers(served.data_dir / "models" / TWO_TOWERS.name / TWO_TOWERS.version)
    with served:
        served.client.collections.create("c", model=MODEL, label_sets=[COLOUR])
        served.client.images.upload("c", painted(COLOURS["red"]), image_id="red")
        served.stop()
        served.restart()
        assert list(served.client.collections.get("c").label_sets) == [COLOUR]
        assert of(served.client, "c", "red") == {"colour": "red"}
        served.client.images.upload("c", painted(COLOURS["green"]), image_id="green")
        assert of(served.client, "c", "green") == {"colour": "green"}


BAD: dict[str, tuple[list[messages.LabelSet], str]] = {
    "no name": ([labels("", red=[])], "[0].name"),
    "another name": ([labels("Red", red=[])], "[0].name"),
    "twice": ([COLOUR, COLOUR], "[1].name"),
    "nine": ([labels(f"s{each}", red=[]) for each in range(9)], ""),
    "no labels": ([labels("empty")], "[0].labels"),
    "1,001 labels": ([labels("many", **{f"l{each}": [] for each in range(1_001)})], "[0].labels"),
    "a blank label": (
        [messages.LabelSet(name="s", labels=[messages.Label(label=" ")])],
        "[0].labels[0].label",
    ),
    "a long label": ([labels("s", **{"x" * 129: []})], "[0].labels[0].label"),
    "a label twice": (
        [messages.LabelSet(name="s", labels=[messages.Label(label="a")] * 2)],
        "[0].labels[1].label",
    ),
    "17 prompts": ([labels("s", red=["red"] * 17)], "[0].labels[0].prompts"),
    "an empty prompt": ([labels("s", red=["red", ""])], "[0].labels[0].prompts[1]"),
    "a long prompt": ([labels("s", red=["x" * 1_025])], "[0].labels[0].prompts[0]"),
    "an invisible prompt": ([COLOUR, labels("s", red=["\u200b"])], "[1].labels[0]"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_label_sets_are_refused(served: Served, made: Callable[..., str], case: str) -> None:
    sets, place = BAD[case]
    name = made()
    update = messages.Collection(name=f"collections/{name}", label_sets=sets)
    create = CreateCollectionRequest(
        collection_id="bad", collection=messages.Collection(model=MODEL, label_sets=sets)
    )
    for call in (
        lambda: served.stubs.collections.CreateCollection(create),
        lambda: served.stubs.collections.UpdateCollection(UpdateCollectionRequest(collection=update)),
    ):
        refusal = refusal_of(call)
        assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
        assert refusal.field == f"collection.label_sets{place}"


def test_a_model_without_words_has_no_label_sets(served: Served) -> None:
    request = CreateCollectionRequest(
        collection_id="wordless", collection=messages.Collection(label_sets=[COLOUR])
    )
    refusal = refusal_of(lambda: served.stubs.collections.CreateCollection(request))
    assert (refusal.status, refusal.reason) == ("FAILED_PRECONDITION", "TEXT_UNSUPPORTED")


def test_the_set_that_ships_is_taken_by_the_command_line(served: Served, tmp_path: Path) -> None:
    place = ("--data-dir", str(served.data_dir))
    soutu(*place, "collections", "create", "shipped", "--model", str(TWO_TOWERS), "--labels", "photographs")
    known = json.loads(soutu(*place, "collections", "get", "shipped"))
    shipped = label_set("photographs")
    assert [each["label"] for each in known["label_sets"][0]["labels"]] == [
        *("portrait", "landscape", "animal", "food", "vehicle"),
        *("building", "nature", "abstract", "text", "other"),
    ]
    assert list(served.client.collections.get("shipped").label_sets) == [shipped]
    own = tmp_path / "colour.toml"
    own.write_text("[red]\n[green]\n[blue]\n[yellow]\n")
    soutu(*place, "collections", "update", "shipped", "--labels", str(own))
    assert list(served.client.collections.get("shipped").label_sets) == [COLOUR]
    own.write_text("red = 3\n")
    refused = soutu(*place, "collections", "update", "shipped", "--labels", str(own), ok=False)
    assert "'red'" in refused
    soutu(*place, "collections", "update", "shipped", "--no-labels")
    assert not served.client.collections.get("shipped").label_sets
