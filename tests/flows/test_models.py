"""Models are listed, loaded and unloaded while the service serves."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from soutu.client import SoutuCallError
from soutu.domain.model import ModelRef, Task
from soutu.v1.model_service_pb2 import MODEL_TASK_LOCAL_FEATURES
from tests.flows import pictures
from tests.flows.cli import soutu
from tests.flows.models import SECOND, add_second_model
from tests.flows.refusals import refused
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


@pytest.mark.placed
def test_a_restored_collection_whose_model_is_no_embedding_model_says_so(
    admin_server: Served, archive: Path, tmp_path: Path
) -> None:
    """Its backup has local features in the model's place: reading goes on, whatever embeds is refused."""
    client = admin_server.client
    add_second_model(admin_server.data_dir)
    client.collections.create("coarse", model=SECOND)
    client.images.upload("coarse", pictures.jpeg(1), image_id="i1")
    client.collections.create("plain")
    client.images.upload("plain", pictures.jpeg(2), image_id="i2")
    client.admin.export("plain", archive / "export").wait(60)
    client.admin.backup(archive / "backup").wait(60)
    replaced = archive / "backup" / "models" / "coarse-color" / "1"
    shutil.rmtree(replaced)
    written(replaced, Task.LOCAL_FEATURES, corner_finder(), ref=ModelRef("coarse-color", "1"))
    soutu("--data-dir", str(tmp_path / "other" / "data"), "restore", str(archive / "backup"))
    settings = {"SOUTU_BACKUP_ROOTS": str(archive), "SOUTU_DEFAULT_MODEL": "coarse-color"}
    with Served(tmp_path / "other", settings=settings) as other:
        restored = other.client
        assert [image.name for image in restored.images.list("coarse")] == ["collections/coarse/images/i1"]
        calls: tuple[Callable[[], object], ...] = (
            lambda: restored.search("coarse", pictures.jpeg(3)),
            lambda: restored.images.upload("coarse", pictures.jpeg(3)),
            lambda: restored.generations.create("coarse"),
            lambda: restored.generations.create("plain", model=SECOND),
            lambda: restored.collections.create("another"),
            lambda: restored.embed(SECOND, [pictures.jpeg(3)]),
        )
        for call in calls:
            with refused("MODEL_NOT_EMBEDDING"):
                call()
        imported = restored.admin.import_("coarse", archive / "export")
        assert (imported.wait(60).image_count, imported.wait(60).failed) == (0, 1)
        assert [failure.reason for failure in imported.failures()] == ["MODEL_NOT_EMBEDDING"]
        assert restored.images.count("plain") == 1
