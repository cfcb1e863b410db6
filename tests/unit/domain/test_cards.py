from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soutu.domain.cards import card_from_text, card_text, embedding_model, is_model_name, text_tower
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import (
    BatchSizes,
    Fit,
    InputSpec,
    Interpolation,
    ModelCard,
    ModelRef,
    Probability,
    Task,
    TextTower,
)

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

TOWER = TextTower(
    sha256="1" * 64,
    tokenizer_sha256="2" * 64,
    context=64,
    artefact="words.onnx",
    tokenizer="words.json",
    pad=49_407,
    scale=117.33,
    bias=-12.93,
    probability=Probability.SIGMOID,
)


@pytest.mark.parametrize("text", [None, TOWER])
@pytest.mark.parametrize("batch", [BatchSizes(), BatchSizes(1, 1), BatchSizes(16, 1_024)])
def test_a_card_survives_its_text(text: TextTower | None, batch: BatchSizes) -> None:
    card = replace(CARD, text=text, batch=batch)

    assert card_from_text(card_text(card)) == card


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("", BatchSizes(8, 32)),
        ("[batch]\nmost = 4", BatchSizes(4, 4)),
        ("[batch]\nusual = 2", BatchSizes(2, 32)),
    ],
)
def test_batch_sizes_that_are_not_said_follow(said: str, meant: BatchSizes) -> None:
    text, _, _ = card_text(CARD).partition("[batch]")

    assert card_from_text(text + said).batch == meant


@pytest.mark.parametrize(
    "said", ["usual = 9\nmost = 8", "usual = 0", "most = 1025", "most = 2.5", "least = 1"]
)
def test_batch_sizes_that_do_not_fit_are_refused(said: str) -> None:
    text, _, _ = card_text(CARD).partition("[batch]")

    with pytest.raises(SoutuError) as error:
        card_from_text(f"{text}[batch]\n{said}\n")

    assert error.value.reason is Reason.MODEL_INVALID


def test_a_text_tower_is_there_or_its_absence_said() -> None:
    assert text_tower(replace(CARD, text=TOWER)) == TOWER

    with pytest.raises(SoutuError, match="pictures@1") as error:
        text_tower(CARD)

    assert error.value.reason is Reason.TEXT_UNSUPPORTED


def test_what_is_optional_of_a_text_tower_may_be_left_out() -> None:
    needed = {"sha256": "1" * 64, "tokenizer_sha256": "2" * 64, "context": 64}
    table = "".join(f"{key} = {value!r}\n" for key, value in needed.items())

    card = card_from_text(card_text(CARD) + "[text]\n" + table)

    assert card.text == TextTower("1" * 64, "2" * 64, 64)
    assert (card.text.artefact, card.text.tokenizer, card.text.pad) == ("text.onnx", "tokenizer.json", 0)
    assert (card.text.scale, card.text.bias, card.text.probability) == (100, 0, Probability.SOFTMAX)


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


@pytest.mark.parametrize(
    ("line", "wrong", "named"),
    [
        ("context = 64", "context = 0", "context"),
        ("context = 64", "context = 4097", "context"),
        ("context = 64", "", "context"),
        ("pad = 49407", "pad = -1", "pad"),
        ("scale = 117.33", "scale = 0", "scale"),
        ("scale = 117.33", "scale = inf", "scale"),
        ("bias = -12.93", "bias = nan", "bias"),
        ("bias = -12.93", "bias = true", "bias"),
        ('probability = "sigmoid"', 'probability = "maximum"', "probability"),
        ('tokenizer = "words.json"', 'tokenizer = "../words.json"', "tokenizer"),
        ('tokenizer = "words.json"', 'tokenizer = "card.toml"', "twice"),
        ('artefact = "words.onnx"', 'artefact = "pictures.onnx"', "twice"),
        ("[text]", "[texts]", "texts"),
        ("pad = 49407", "pad = 49407\ncolour = 1", "colour"),
    ],
)
def test_an_unsound_text_tower_is_refused_by_key(line: str, wrong: str, named: str) -> None:
    text = card_text(replace(CARD, text=TOWER))
    assert line in text

    with pytest.raises(SoutuError, match=named) as refused:
        card_from_text(text.replace(line, wrong))

    assert refused.value.reason is Reason.MODEL_INVALID


def test_the_text_tower_is_a_table() -> None:
    with pytest.raises(SoutuError, match="table"):
        card_from_text("text = 3\n" + card_text(CARD))


def test_a_card_needs_its_input() -> None:
    with pytest.raises(SoutuError, match=r"\[input\]"):
        card_from_text(card_text(CARD).partition("[input]")[0])


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "A", "a b", "-a", "a" * 65, "a\n"])
def test_names_that_could_be_paths_are_none(text: str) -> None:
    assert not is_model_name(text)


LOCAL = replace(CARD, task=Task.LOCAL_FEATURES, keypoints=512, pooling="none")
MATCHER = replace(LOCAL, task=Task.MATCH_FEATURES, features="pictures")


@pytest.mark.parametrize("card", [LOCAL, MATCHER])
def test_a_card_of_local_features_survives_its_text(card: ModelCard) -> None:
    assert card_from_text(card_text(card)) == card


@pytest.mark.parametrize(
    ("card", "named"),
    [
        (replace(CARD, keypoints=512), "keypoints"),
        (replace(CARD, features="pictures"), "features"),
        (replace(LOCAL, keypoints=0), "keypoints"),
        (replace(LOCAL, keypoints=3_841), "keypoints"),
        (replace(LOCAL, features="pictures"), "features"),
        (replace(LOCAL, text=TOWER), "text"),
        (replace(MATCHER, features=""), "features"),
        (replace(MATCHER, features="../pictures"), "features"),
    ],
)
def test_a_card_has_what_its_task_needs_and_nothing_else(card: ModelCard, named: str) -> None:
    with pytest.raises(SoutuError, match=f"`{named}`") as refused:
        card_from_text(card_text(card))
    assert refused.value.reason is Reason.MODEL_INVALID


def test_a_model_for_embeddings_is_one_or_is_refused() -> None:
    assert embedding_model(CARD) == CARD
    with pytest.raises(SoutuError, match="is for local-features") as refused:
        embedding_model(LOCAL)
    assert refused.value.reason is Reason.MODEL_NOT_EMBEDDING
