import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from soutu.adapters.models.folders import FolderModels
from soutu.domain.cards import CARD_FILE, card_text, invalid_model
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import InputSpec, ModelCard, ModelRef, Task
from tests.contract.towers import write_two_towers


def written(folder: Path, ref: ModelRef, content: bytes = b"weights") -> ModelCard:
    """A model's folder with an artefact that nobody runs."""
    sha256 = hashlib.sha256(content).hexdigest()
    card = ModelCard(ref, Task.EMBED_IMAGE, 8, InputSpec(32, 32), "avg", "Apache-2.0", "a test", sha256)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(content)
    (folder / CARD_FILE).write_text(card_text(card), encoding="utf-8")
    return card


def sound(path: Path, card: ModelCard) -> None:
    assert path.name == card.artefact


def unsound(path: Path, card: ModelCard) -> None:
    raise invalid_model(f"{card.ref} at {path.name} is unsound")


@pytest.fixture
def bundled(tmp_path: Path) -> ModelCard:
    return written(tmp_path / "bundled" / "first" / "1", ModelRef("first", "1"))


@pytest.fixture
def models(tmp_path: Path, bundled: ModelCard) -> FolderModels:
    return FolderModels(tmp_path / "models", tmp_path / "bundled", sound)


def refused(error: pytest.ExceptionInfo[SoutuError]) -> Reason:
    return error.value.reason


def test_bundled_and_added_models_are_listed_together(
    models: FolderModels, bundled: ModelCard, tmp_path: Path
) -> None:
    added = written(tmp_path / "source", ModelRef("a.second", "1"))

    assert models.add(tmp_path / "source") == added
    assert models.list() == (added, bundled)


def test_a_name_alone_means_its_newest_version(models: FolderModels, tmp_path: Path) -> None:
    for version in ("9", "10", "10.rc", "2.1"):
        written(tmp_path / "models" / "first" / version, ModelRef("first", version))

    assert [card.ref.version for card in models.list()] == ["1", "2.1", "9", "10", "10.rc"]
    assert models.card("first").ref.version == "10.rc"
    assert models.card("first@9").ref == ModelRef("first", "9")


@pytest.mark.parametrize("name", ["other", "first@2", "first@", "", "../bundled/first", "first@../1"])
def test_an_unknown_model_is_answered_with_what_there_is(models: FolderModels, name: str) -> None:
    with pytest.raises(SoutuError, match="there are: first@1") as error:
        models.card(name)

    assert refused(error) is Reason.MODEL_NOT_FOUND


def test_the_artefact_is_the_one_of_the_card(models: FolderModels, bundled: ModelCard) -> None:
    assert models.artefact(bundled.ref).read_bytes() == b"weights"


def test_the_text_towers_files_are_taken_and_proven(models: FolderModels, tmp_path: Path) -> None:
    card = write_two_towers(tmp_path / "source")

    assert models.add(tmp_path / "source") == card

    words = models.tokenizer(card.ref)
    assert words.read_bytes() == (tmp_path / "source" / "tokenizer.json").read_bytes()
    models.text_artefact(card.ref).write_bytes(b"other weights")
    fresh = FolderModels(tmp_path / "models", tmp_path / "bundled", sound)
    with pytest.raises(SoutuError, match=r"text\.onnx of colour-words@1 is not the one") as error:
        fresh.text_artefact(card.ref)
    assert refused(error) is Reason.MODEL_INVALID


@pytest.mark.parametrize("name", ["text.onnx", "tokenizer.json"])
def test_a_text_tower_that_is_not_whole_is_refused(models: FolderModels, tmp_path: Path, name: str) -> None:
    write_two_towers(tmp_path / "source")
    (tmp_path / "source" / name).unlink()

    with pytest.raises(SoutuError, match=name) as error:
        models.add(tmp_path / "source")

    assert refused(error) is Reason.MODEL_INVALID


def test_a_model_without_a_text_tower_says_so(models: FolderModels, bundled: ModelCard) -> None:
    for file in (models.text_artefact, models.tokenizer):
        with pytest.raises(SoutuError) as error:
            file(bundled.ref)
        assert refused(error) is Reason.TEXT_UNSUPPORTED


def test_an_altered_artefact_is_refused(models: FolderModels, bundled: ModelCard, tmp_path: Path) -> None:
    (tmp_path / "bundled" / "first" / "1" / "model.onnx").write_bytes(b"other weights")

    with pytest.raises(SoutuError, match="not the one of its card") as error:
        models.artefact(bundled.ref)

    assert refused(error) is Reason.MODEL_INVALID


def test_adding_the_same_model_again_changes_nothing(models: FolderModels, tmp_path: Path) -> None:
    card = written(tmp_path / "source", ModelRef("second", "1"))

    assert models.add(tmp_path / "source") == models.add(tmp_path / "source") == card


@pytest.mark.parametrize("name", ["first", "second"])
def test_models_are_immutable(models: FolderModels, tmp_path: Path, name: str) -> None:
    if name == "second":
        written(tmp_path / "source", ModelRef(name, "1"))
        models.add(tmp_path / "source")
    written(tmp_path / "changed", ModelRef(name, "1"), b"other weights")

    with pytest.raises(SoutuError) as error:
        models.add(tmp_path / "changed")

    assert refused(error) is Reason.MODEL_EXISTS


def test_an_unsound_model_leaves_nothing_behind(tmp_path: Path) -> None:
    models = FolderModels(tmp_path / "models", tmp_path / "bundled", unsound)
    written(tmp_path / "source", ModelRef("second", "1"))

    with pytest.raises(SoutuError, match="unsound"):
        models.add(tmp_path / "source")

    assert models.list() == ()
    assert list((tmp_path / "models").iterdir()) == []


def test_a_folder_without_artefact_or_card_is_refused(models: FolderModels, tmp_path: Path) -> None:
    written(tmp_path / "source", ModelRef("second", "1"))
    (tmp_path / "source" / "model.onnx").unlink()
    for folder in ("source", "nowhere"):
        with pytest.raises(SoutuError) as error:
            models.add(tmp_path / folder)
        assert refused(error) is Reason.MODEL_INVALID


def test_a_card_in_the_wrong_folder_is_refused(models: FolderModels, tmp_path: Path) -> None:
    written(tmp_path / "models" / "third" / "1", ModelRef("fourth", "1"))

    with pytest.raises(SoutuError, match="rename"):
        models.card("third")


def test_an_addition_in_another_process_counts(models: FolderModels, tmp_path: Path) -> None:
    card = written(tmp_path / "source", ModelRef("second", "1"))

    def other_process_adds(path: Path, card: ModelCard) -> None:
        if not (tmp_path / "models" / "second").exists():
            written(tmp_path / "models" / "second" / "1", card.ref)

    racing = FolderModels(tmp_path / "models", tmp_path / "bundled", other_process_adds)

    assert racing.add(tmp_path / "source") == card
    assert models.artefact(card.ref).is_file()
    assert replace(card) == models.card("second@1")
