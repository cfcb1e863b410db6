from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soutu.adapters.models.folders import FolderModels
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import InputSpec, ModelCard, Task
from soutu.models.verify import check_artefact
from tests.contract.embedders import BUNDLED, mean_colour_model, write_model
from tests.contract.towers import COLOURS, CONTEXT, text_tower, tokenizer, write_two_towers


def bundled(folder: Path) -> tuple[Path, ModelCard]:
    """The descriptor that ships, and a card that fits it."""
    artefact = BUNDLED / "gradient-color" / "1" / "model.onnx"
    card = write_model(folder, "gradient-color", artefact.read_bytes(), 595)
    return artefact, replace(card, input=InputSpec(128, 128))


def test_a_sound_artefact_passes(tmp_path: Path) -> None:
    models = FolderModels(tmp_path / "models", tmp_path / "none", check_artefact)
    card = models.add(BUNDLED / "gradient-color" / "1")
    assert models.artefact(card.ref).is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dimension": 594}, r"\(3, 595\) to three inputs, not float32 \(3, 594\)"),
        ({"input": InputSpec(127, 128)}, "ONNX Runtime"),
        ({"task": Task.EMBED_TEXT}, "embed-text"),
    ],
)
def test_an_artefact_that_differs_from_its_card_is_refused(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    artefact, card = bundled(tmp_path)

    with pytest.raises(SoutuError, match=sentence) as error:
        check_artefact(artefact, replace(card, **change))  # type: ignore[arg-type]

    assert error.value.reason is Reason.MODEL_INVALID


def test_an_artefact_that_fails_on_black_is_refused(tmp_path: Path) -> None:
    card = write_model(tmp_path, "mean-colour", mean_colour_model())

    with pytest.raises(SoutuError, match="length one"):
        check_artefact(tmp_path / "mean-colour" / "1" / card.artefact, card)


def test_a_sound_text_tower_passes(tmp_path: Path) -> None:
    card = write_two_towers(tmp_path / "source")
    models = FolderModels(tmp_path / "models", tmp_path / "none", check_artefact)

    assert models.add(tmp_path / "source") == card

    for file in (models.artefact(card.ref), models.text_artefact(card.ref), models.tokenizer(card.ref)):
        assert file.is_relative_to(tmp_path / "models")


@pytest.mark.parametrize(
    ("artefact", "sentence"),
    [
        (text_tower(COLOURS[:, :5]), r"\(3, 5\) to three inputs, not float32 \(3, 8\)"),
        (text_tower(COLOURS * np.float32(np.nan)), "length one"),
        (text_tower(COLOURS, context=CONTEXT + 1), "text.onnx: "),
        (b"rubbish", "does not run text.onnx"),
    ],
)
def test_a_text_tower_that_differs_from_its_card_is_refused(
    tmp_path: Path, artefact: bytes, sentence: str
) -> None:
    card = write_two_towers(tmp_path, text=artefact)

    with pytest.raises(SoutuError, match=sentence) as error:
        check_artefact(tmp_path / card.artefact, card)

    assert error.value.reason is Reason.MODEL_INVALID


@pytest.mark.parametrize("words", [b"rubbish", tokenizer(unknown="nothing")])
def test_a_tokenizer_that_takes_no_texts_is_refused(tmp_path: Path, words: bytes) -> None:
    card = write_two_towers(tmp_path, words=words)

    with pytest.raises(SoutuError, match="tokenizer") as error:
        check_artefact(tmp_path / card.artefact, card)

    assert error.value.reason is Reason.MODEL_INVALID


def test_rubbish_is_refused(tmp_path: Path) -> None:
    card = write_model(tmp_path, "rubbish", b"rubbish")

    with pytest.raises(SoutuError, match="does not run"):
        check_artefact(tmp_path / "rubbish" / "1" / card.artefact, card)
