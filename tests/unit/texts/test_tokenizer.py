import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.processors import TemplateProcessing

from soutu.adapters.models.folders import FolderModels
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard
from soutu.models.verify import check_artefact
from soutu.texts import tokenizer as texts
from soutu.texts.tokenizer import TextTokenizer, Tokenizers
from tests.contract.embedders import BUNDLED, FIRST
from tests.contract.towers import CONTEXT, TWO_TOWERS, WORDS, tokenizer, write_two_towers

PLACES = {word: place for place, word in enumerate(WORDS)}
UNKNOWN = PLACES["[UNK]"]


@pytest.fixture
def words(tmp_path: Path) -> TextTokenizer:
    card = write_two_towers(tmp_path)
    return TextTokenizer(tmp_path / "tokenizer.json", card)


def closed(text: bytes, context: int) -> Tokenizer:
    """The tokenizer with a token before and one behind each text, and limits of its own."""
    changed = Tokenizer.from_str(text.decode())
    marks = [("a", PLACES["a"]), ("the", PLACES["the"])]
    changed.post_processor = TemplateProcessing("a $0 the", None, marks)
    changed.enable_padding(pad_id=5, length=30)
    changed.enable_truncation(context)
    return changed


def test_texts_become_tokens_filled_up_with_padding(words: TextTokenizer) -> None:
    tokens = words.tokens(["A RED photo", "红色"])

    assert tokens.ids.shape == (2, CONTEXT)
    assert tokens.ids.dtype == np.int64
    assert tokens.cut == (False, False)
    assert tokens.ids[0, :4].tolist() == [PLACES["a"], PLACES["red"], PLACES["photo"], 0]
    assert tokens.ids[1, :3].tolist() == [PLACES["红"], PLACES["色"], 0]


def test_no_texts_have_no_tokens(words: TextTokenizer) -> None:
    assert words.tokens([]).ids.shape == (0, CONTEXT)


def test_a_long_text_is_cut_off_and_said_so(words: TextTokenizer) -> None:
    tokens = words.tokens(["red " * CONTEXT, "red " * (CONTEXT + 1)])

    assert tokens.cut == (False, True)
    np.testing.assert_array_equal(tokens.ids[0], tokens.ids[1])


def test_the_last_token_of_a_model_survives_the_cut(tmp_path: Path) -> None:
    card = write_two_towers(tmp_path, words=closed(tokenizer(), 7).to_str().encode())

    tokens = TextTokenizer(tmp_path / "tokenizer.json", card).tokens(["red " * 100, "red"])

    assert tokens.ids[0].tolist() == [PLACES["a"], *[PLACES["red"]] * (CONTEXT - 2), PLACES["the"]]
    assert tokens.ids[1].tolist() == [PLACES["a"], PLACES["red"], PLACES["the"], *[0] * (CONTEXT - 3)]


@pytest.mark.parametrize("context", [1, 2])
def test_a_text_needs_room(tmp_path: Path, context: int) -> None:
    card = write_two_towers(tmp_path, words=closed(tokenizer(), 7).to_str().encode())
    assert card.text

    refused(tmp_path / "tokenizer.json", replace(card, text=replace(card.text, context=context)))


def test_padding_is_the_cards(tmp_path: Path) -> None:
    card = write_two_towers(tmp_path)
    assert card.text
    other = replace(card, text=replace(card.text, pad=7))

    tokens = TextTokenizer(tmp_path / "tokenizer.json", other).tokens(["red"])

    assert tokens.ids[0].tolist() == [PLACES["red"], *[7] * (CONTEXT - 1)]


def test_what_looks_like_a_special_token_is_text(tmp_path: Path) -> None:
    special = Tokenizer.from_str(tokenizer().decode())
    special.add_special_tokens(["[UNK]", "[PAD]"])
    card = write_two_towers(tmp_path, words=special.to_str().encode())

    tokens = TextTokenizer(tmp_path / "tokenizer.json", card).tokens(["[PAD] red"])

    assert tokens.ids[0, :4].tolist() == [UNKNOWN, UNKNOWN, UNKNOWN, PLACES["red"]]


@pytest.mark.parametrize("text", ["", " ", "\x00\x01", "\u200b\u200f"])
def test_a_text_of_nothing_is_refused(words: TextTokenizer, text: str) -> None:
    with pytest.raises(SoutuError, match="nothing") as error:
        words.tokens(["red", text])

    assert error.value.reason is Reason.FIELD_INVALID


@pytest.mark.parametrize("text", ["😀" * 1_024, "א" * 1_024, "x" * 1_024, "a\u0301" * 512, "\u202ered"])
def test_any_other_text_has_tokens(words: TextTokenizer, text: str) -> None:
    assert words.tokens([text]).ids[0, 0] in (UNKNOWN, PLACES["red"])


def test_a_tokenizer_that_fails_is_unavailable(tmp_path: Path) -> None:
    card = write_two_towers(tmp_path, words=tokenizer(unknown="nothing"))

    with pytest.raises(SoutuError, match="colour-words@1") as error:
        TextTokenizer(tmp_path / "tokenizer.json", card).tokens(["a purple picture"])

    assert error.value.reason is Reason.INFERENCE_UNAVAILABLE


def refused(path: Path, card: ModelCard) -> None:
    with pytest.raises(SoutuError, match=path.name) as error:
        TextTokenizer(path, card)
    assert error.value.reason is Reason.MODEL_INVALID


def test_a_file_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = write_two_towers(tmp_path)
    path = tmp_path / "tokenizer.json"
    refused(tmp_path / "nowhere.json", card)
    for content in (b"", b"{}", b"[" * 100_000, b"\xff", b'{"model": {"type": "BPE"}}'):
        path.write_bytes(content)
        refused(path, card)
    path.write_bytes(tokenizer())
    monkeypatch.setattr(texts, "_LARGEST_BYTES", len(tokenizer()) - 1)
    refused(path, card)


def test_chance_is_refused(tmp_path: Path) -> None:
    card = write_two_towers(tmp_path)
    path = tmp_path / "tokenizer.json"
    Tokenizer(BPE({"a": 0}, [], dropout=0.5)).save(str(path))

    refused(path, card)


async def test_the_tokenizer_of_a_model_is_read_once(tmp_path: Path) -> None:
    write_two_towers(tmp_path / TWO_TOWERS.name / TWO_TOWERS.version)
    tokenizers = Tokenizers(FolderModels(tmp_path, BUNDLED, check_artefact))

    first = await tokenizers.tokens(TWO_TOWERS, ["red"])
    (tmp_path / TWO_TOWERS.name / TWO_TOWERS.version / "tokenizer.json").unlink()
    rest = await asyncio.gather(*(tokenizers.tokens(TWO_TOWERS, ["red"]) for _ in range(8)))

    for tokens in rest:
        np.testing.assert_array_equal(tokens.ids, first.ids)


async def test_a_model_without_a_text_tower_says_so(tmp_path: Path) -> None:
    with pytest.raises(SoutuError) as error:
        await Tokenizers(FolderModels(tmp_path, BUNDLED, check_artefact)).tokens(FIRST, ["red"])

    assert error.value.reason is Reason.TEXT_UNSUPPORTED
