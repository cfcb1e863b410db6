from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soutu.domain.cards import card_from_text, card_text, is_model_name
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import Fit, InputSpec, Interpolation, ModelCard, ModelRef, Task

CARD = ModelCard(
    ref=ModelRef("pictures", "1"),
    task=Task.EMBED_IMAGE,
    dimension=8,
    input=InputSpec(32, 24, Fit.PAD, 0.875, Interpolation.BICUBIC),
    pooling="gem:3",
    licence="Apache-2.0",
    source="https://example.org/pictures",
    sha256="0" * 64,
    artefact="pictures.onnx",
    description='says "猫", and\nmore',
    languages=("en", "zh"),
)


def test_a_card_survives_its_text() -> None:
    assert card_from_text(card_text(CARD)) == CARD


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_description_survives(description: str) -> None:
    card = replace(CARD, description=description)

    assert card_from_text(card_text(card)) == card


def test_what_is_optional_may_be_left_out() -> None:
    lines = card_text(CARD).splitlines()
    optional = ("artefact", "description", "languages", "crop_fraction")

    card = card_from_text("\n".join(line for line in lines if not line.startswith(optional)))

    assert (card.artefact, card.description, card.languages) == ("model.onnx", "", ())
    assert card.input.crop_fraction == 1


@pytest.mark.parametrize(
    ("line", "wrong", "named"),
    [
        ('name = "pictures"', 'name = "../pictures"', "name"),
        ('name = "pictures"', "name = 3", "name"),
        ('name = "pictures"', "", "name"),
        ('version = "1"', 'version = "V 1"', "version"),
        ('task = "embed-image"', 'task = "dream"', "task"),
        ("dimension = 8", "dimension = 0", "dimension"),
        ("dimension = 8", "dimension = true", "dimension"),
        ("dimension = 8", "dimension = 8.0", "dimension"),
        ('licence = "Apache-2.0"', 'licence = ""', "licence"),
        ('artefact = "pictures.onnx"', 'artefact = "../../etc/passwd"', "artefact"),
        ('languages = ["en", "zh"]', 'languages = "en"', "languages"),
        ("width = 32", "width = 5000", "width"),
        ('fit = "pad"', 'fit = "squeeze"', "fit"),
        ("crop_fraction = 0.875", "crop_fraction = 1.5", "crop_fraction"),
        ("crop_fraction = 0.875", "crop_fraction = nan", "crop_fraction"),
        ("[input]", "[output]", "output"),
        ("dimension = 8", "dimension = 8\ncolour = 1", "colour"),
        ("dimension = 8", "dimension 8", "TOML"),
    ],
)
def test_an_unsound_card_is_refused_by_key(line: str, wrong: str, named: str) -> None:
    text = card_text(CARD)
    assert line in text

    with pytest.raises(SoutuError, match=named) as refused:
        card_from_text(text.replace(line, wrong))

    assert refused.value.reason is Reason.MODEL_INVALID


def test_a_card_needs_its_input() -> None:
    with pytest.raises(SoutuError, match=r"\[input\]"):
        card_from_text(card_text(CARD).partition("[input]")[0])


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "A", "a b", "-a", "a" * 65, "a\n"])
def test_names_that_could_be_paths_are_none(text: str) -> None:
    assert not is_model_name(text)
