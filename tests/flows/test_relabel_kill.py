"""kill -9 in the middle of a relabelling: the next server goes on, and no image is written twice."""

import random
from pathlib import Path

import pytest
from google.longrunning.operations_pb2 import Operation
from PIL import Image

from soutu.client import Client, metadata_of
from soutu.v1.collection_pb2 import LabelSet
from soutu.v1.collection_service_pb2 import OperationMetadata
from tests.contract.towers import TWO_TOWERS, write_two_towers
from tests.flows.inside import Labelled, check_at_rest, labels_kept
from tests.flows.served import Served, until
from tests.flows.test_labels import COLOUR, MODEL, WARM

PAGE = 256  # images that a relabelling writes at a time
COUNT = 5 * PAGE + 20
DONE_S = 200.0
TRIES = 5


@pytest.mark.slow
def test_a_relabelling_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    draw(tmp_path / "pictures")
    served = Served(tmp_path, [tmp_path / "pictures"], {"SOUTU_DECODE_SECONDS": "60"})
    write_two_towers(served.data_dir / "models" / TWO_TOWERS.name / TWO_TOWERS.version)
    with served:
        for name, sets in (("killed", WARM), ("unharmed", COLOUR)):
            served.client.collections.create(name, model=MODEL, label_sets=[sets])
            build = served.client.collections.build(name, tmp_path / "pictures")
            assert build.wait(DONE_S).added == COUNT, list(build.failures())
        before = killed_midway(served)
        served.restart()

        operation = until(lambda: ended(served.client), DONE_S)

        done = metadata_of(operation)
        assert (done.state, done.done, done.failed) == (OperationMetadata.STATE_SUCCEEDED, COUNT, 0)
        assert shown(served.client, "killed") == shown(served.client, "unharmed")
        served.stop()
        after = labels_kept(served, "killed")
        assert after.of_set("colour") == set(after.images)
        assert not after.of_set("warmth")
        assert after.revision == before.revision + len(before.of_set("warmth"))  # each was written once
        check_at_rest(served)


def draw(folder: Path) -> None:
    """Pictures of one colour each, no two alike."""
    folder.mkdir()
    for place, colour in enumerate(random.Random(8).sample(range(256**3), COUNT)):
        Image.new("RGB", (8, 8), (colour >> 16, colour >> 8 & 255, colour & 255)).save(
            folder / f"{place}.png"
        )


def killed_midway(served: Served) -> Labelled:
    """Changes the label sets, and kills the server when some images have the new ones and others have not."""
    for _ in range(TRIES):
        relabelled(served.client, COLOUR)
        until(
            lambda: metadata_of(latest(served.client)).done > PAGE
        )  # the second is told of as it is written
        served.kill()
        kept = labels_kept(served, "killed")
        new, old = kept.of_set("colour"), kept.of_set("warmth")
        assert new | old == set(kept.images)
        assert not new & old
        if new and old:
            return kept
        served.restart()  # before the first page was written, or after the last
        relabelled(served.client, WARM)
        until(lambda: ended(served.client), DONE_S)
    raise AssertionError("the server was never killed midway")


def relabelled(client: Client, label_set: LabelSet) -> None:
    client.collections.update("killed", label_sets=[label_set])


def latest(client: Client) -> Operation:
    """The relabelling that was asked for last."""
    return [each for each in client.operations.list() if metadata_of(each).kind == "relabel"][-1]


def ended(client: Client) -> Operation | None:
    operation = latest(client)
    return operation if operation.done else None


def shown(client: Client, collection: str) -> dict[str, list[str]]:
    """The labels of each picture, as clients see them."""
    return {
        image.origin.path: [f"{each.label_set}: {each.label} {each.probability}" for each in image.labels]
        for image in client.images.list(collection)
    }
