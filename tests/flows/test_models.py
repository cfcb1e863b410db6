"""Models are listed, loaded and unloaded while the service serves."""

from pathlib import Path

import pytest

from soutu.client import SoutuCallError
from soutu.domain.model import Task
from soutu.v1.model_service_pb2 import MODEL_TASK_LOCAL_FEATURES
from tests.flows import pictures
from tests.flows.cli import soutu
from tests.flows.served import Served
from tests.unit.models.local.toys import corner_finder, written


def test_a_model_is_loaded_and_unloaded_on_request(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        models = served.client.models
        assert not models.get("gradient-color").loaded
        assert models.load("gradient-color").loaded
        assert [(model.name, model.loaded) for model in models.list()] == [("models/gradient-color@1", True)]
        parts = {part.part: part.detail for part in served.client.status().parts}
        assert parts["inference"] == "in this process, models ready: gradient-color@1"
        assert not models.unload("gradient-color@1").loaded
        assert len(served.client.embed("models/gradient-color@1", [pictures.jpeg(1)]).vectors) == 1
        assert models.get("gradient-color@1").loaded
        here = ("--address", served.address, "models")
        assert soutu(*here, "unload", "gradient-color").strip() == "models/gradient-color@1 is unloaded"
        assert soutu(*here, "load", "gradient-color").strip() == "models/gradient-color@1 is loaded"
        for call in (models.load, models.unload):
            with pytest.raises(SoutuCallError) as failure:
                call("nobody")
            assert (failure.value.status, failure.value.reason) == ("NOT_FOUND", "MODEL_NOT_FOUND")


def test_local_features_are_added_and_are_no_embeddings(tmp_path: Path) -> None:
    """A collection, a generation and an embedding ask for another model, and are told so."""
    written(tmp_path / "corners", Task.LOCAL_FEATURES, corner_finder())
    with Served(tmp_path / "data") as served:
        here = ("--data-dir", str(served.data_dir), "models", "add", str(tmp_path / "corners"))
        assert soutu(*here).strip() == "corners@1 added: 64 keypoints of 8 dimensions, 96 × 96"
        client = served.client
        assert client.models.get("corners").task == MODEL_TASK_LOCAL_FEATURES
        client.collections.create("photos")
        calls = (
            lambda: client.collections.create("others", model="models/corners"),
            lambda: client.generations.create("photos", model="models/corners@1"),
            lambda: client.embed("models/corners@1", [pictures.jpeg(1)]),
            lambda: client.models.load("corners"),
        )
        for call in calls:
            with pytest.raises(SoutuCallError) as failure:
                call()
            assert (failure.value.status, failure.value.reason) == (
                "FAILED_PRECONDITION",
                "MODEL_NOT_EMBEDDING",
            )
        told = soutu("--data-dir", str(served.data_dir), "doctor")
        assert "ok   model corners@1: of local features, which are not served yet" in told
        assert [each.name for each in client.collections.list()] == ["collections/photos"]
