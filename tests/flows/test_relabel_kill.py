"""kill -9 in the middle of a relabelling: the next server goes on where it was, and no image is written twice."""

import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from google.longrunning.operations_pb2 import Operation
from PIL import Image

from soutu.client import Client, metadata_of
from soutu.v1.collection_service_pb2 import OperationMetadata
from tests.contract.towers import TWO_TOWERS, write_two_towers
from tests.flows.inside import Labelled, check_at_rest, labels_kept
from tests.flows.served import Served, until
from tests.flows.test_labels import COLOUR, MODEL, WARM

COUNT = 1_300  # a relabelling writes 256 images at a time
DONE_S = 120.0
TRIES = 5


@pytest.mark.slow
def test_a_relabelling_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    draw(tmp_path / "pictures")
    served = Served(tmp_path, [tmp_path / "pictures"])
    write_two_towers(served.data_dir / "models" / TWO_TOWERS.name / TWO_TOWERS.version)
    with served:
        wanted = filled(served, tmp_path / "pictures")
        before = killed_midway(served)
        assert done_in_part(before)
        served.restart()

        operation = until(lambda: ended(served.client), DONE_S)

        assert metadata_of(operation).state == OperationMetadata.STATE_SUCCEEDED
        assert metadata_of(operation).done == COUNT
        assert {name: [*found] for name, found in shown(served.client, "c").items()} == wanted
        served.stop()
        after = labels_kept(served, "c")
        assert after.revision == before.revision + len(of_set(before, "warmth"))
        assert len(of_set(after, "colour")) == len(after.images) == COUNT
        assert not of_set(after, "warmth")
        check_at_rest(served)
