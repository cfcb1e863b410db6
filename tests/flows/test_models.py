"""Models are listed, loaded and unloaded while the service serves."""

from pathlib import Path

import pytest

from soutu.client import SoutuCallError
from tests.flows import pictures
from tests.flows.cli import soutu
from tests.flows.served import Served


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
