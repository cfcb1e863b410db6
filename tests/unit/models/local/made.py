"""XFeat and LighterGlue, made of the weights beside this repository: fixtures for several suites."""

from pathlib import Path

import pytest

from soutu.domain.model import Fit, InputSpec, ModelRef
from soutu.models.local.extractor import ExtractorSpec, make_extractor
from soutu.models.local.lighterglue import lighterglue
from soutu.models.local.matcher import MatcherSpec, make_matcher
from soutu.models.local.xfeat import xfeat_head
from soutu.models.normalisation import Normalisation
from tests.unit.models.local.views import WEIGHTS

FRAME = InputSpec(512, 512, Fit.PAD)


@pytest.fixture(scope="session")
def xfeat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of XFeat, with its card."""
    folder = tmp_path_factory.mktemp("xfeat") / "made"
    ref, seen = ModelRef("xfeat", "1"), Normalisation()
    spec = ExtractorSpec(ref, FRAME, seen, 1024, 64, xfeat_head, "Apache-2.0", "a test")
    make_extractor(WEIGHTS / "xfeat.onnx", spec, folder)
    return folder


@pytest.fixture(scope="session")
def xfeat_matcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of LighterGlue for XFeat, with its card."""
    folder = tmp_path_factory.mktemp("lighterglue") / "made"
    spec = MatcherSpec(ModelRef("lighterglue-xfeat", "1"), FRAME, 1024, 64, "xfeat", "Apache-2.0", "a test")
    make_matcher(WEIGHTS / "lighterglue_L3.onnx", lighterglue, spec, folder)
    return folder
