"""What the doctor says of engines: measured here, and judged by their pace."""

import sys
from pathlib import Path

import pytest

from soutu.bootstrap.engines import ENGINES, inference_engine, paces
from soutu.cli.engines import engine_check, judged
from soutu.settings import Settings, SettingsError
from tests.contract.embedders import FIRST, bundled_models

CHOICES = [
    ("onnxruntime", {"onnxruntime": 10.0, "openvino": 25.0}, "Set inference.engine to openvino: it is 2.5"),
    ("openvino", {"onnxruntime": 25.0, "openvino": 10.0}, "Set inference.engine to onnxruntime: it is 2.5"),
    ("onnxruntime", {"onnxruntime": 10.0, "openvino": 11.0}, ""),
    ("openvino", {"onnxruntime": 10.0, "openvino": 11.0}, ""),
]


@pytest.mark.parametrize(("chosen", "rates", "advice"), CHOICES)
def test_another_engine_is_recommended_where_it_is_clearly_faster(
    chosen: str, rates: dict[str, float], advice: str
) -> None:
    check = judged(chosen, "m@1", rates)
    assert check.sound
    assert check.advice.startswith(advice)
    assert bool(check.advice) is bool(advice)


def test_an_engine_that_is_chosen_and_not_installed_is_bad() -> None:
    check = judged("openvino", "m@1", {"onnxruntime": 10.0})
    assert not check.sound
    assert "pip install 'soutu[openvino]'" in check.finding


def test_each_engine_is_measured(tmp_path: Path) -> None:
    found = paces(Settings(data_dir=tmp_path), bundled_models(tmp_path), FIRST, 0.1)
    assert tuple(found) == ENGINES
    assert all(each.by_clock > 1 and each.by_core > 1 for each in found.values())


def test_a_model_that_there_is_not_cannot_be_measured(tmp_path: Path) -> None:
    check = engine_check(Settings(data_dir=tmp_path), "nobody")
    assert not check.sound
    assert "nobody" in check.finding


def test_an_engine_whose_library_is_missing_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "soutu.adapters.inference.openvino", raising=False)
    with pytest.raises(SettingsError, match=r"pip install 'soutu\[openvino\]'"):
        inference_engine(Settings(), "openvino")
