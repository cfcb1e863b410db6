"""Exports of real architectures with seeded weights answer as `transformers` does; real weights know things."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from soutu.domain.cards import CARD_FILE, card_from_text
from soutu.domain.errors import Reason, SoutuError
from soutu.models.pooling import Pooling
from soutu.models.zoo.entry import Texts, ZooEntry
from soutu.models.zoo.shelf import zoo_entry

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of PyTorch and its exporter

CLOSE = 1e-5
_WITH_TEXTS = ("clip-b32", "siglip2-base", "chinese-clip-b16")


def run(path: Path, name: str, inputs: NDArray[np.uint8] | NDArray[np.int64]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    answer: NDArray[np.float32] = session.run(["embedding"], {name: inputs})[0]
    return answer


@pytest.mark.parametrize(
    "name", ["resnet50", "vit-b16", "dinov2-small", "efficientnet-b3", "mobilenet-v2", *_WITH_TEXTS]
)
def test_an_export_answers_as_transformers_does(tmp_path: Path, name: str) -> None:
    from soutu.models.export.image import ExportTerms, export_image_model
    from tests.unit.models.export.networks import expected_pictures, save_seeded

    entry = with_small_vocabulary(zoo_entry(name))
    network = save_seeded(entry, tmp_path / "weights")
    exported = export_image_model(entry, ExportTerms(tmp_path / "weights"), tmp_path / "made")
    side = (entry.input.height, entry.input.width, 3)
    pixels = np.random.default_rng(9).integers(0, 256, (3, *side), np.uint8)
    found = run(tmp_path / "made" / "model.onnx", "pixels", pixels)
    np.testing.assert_allclose(found, expected_pictures(network, entry, pixels), rtol=0, atol=CLOSE)
    assert exported.card == card_from_text((tmp_path / "made" / CARD_FILE).read_text("utf-8"))
    assert exported.card.dimension == entry.dimension
    assert exported.parity
    assert exported.parity.cosine >= 0.99999
    if entry.text:
        check_texts(tmp_path, network, entry.text)


def with_small_vocabulary(entry: ZooEntry) -> ZooEntry:
    """The entry, padding with a token that the seeded networks know."""
    return replace(entry, text=entry.text and replace(entry.text, pad=0))


def check_texts(place: Path, network: object, texts: Texts) -> None:
    from soutu.models.export.text import trial_tokens
    from tests.unit.models.export.networks import expected_texts

    card = card_from_text((place / "made" / CARD_FILE).read_text("utf-8"))
    assert card.text
    assert (card.text.context, card.text.pad) == (texts.context, texts.pad)
    tokens = trial_tokens(place / "made", texts)
    mask = (tokens != texts.pad).astype(np.int64) if texts.masked else None
    found = run(place / "made" / card.text.artefact, "tokens", tokens)
    np.testing.assert_allclose(found, expected_texts(network, tokens, mask), rtol=0, atol=CLOSE)
