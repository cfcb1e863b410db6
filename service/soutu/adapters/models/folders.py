"""Models in folders: `<root>/<name>/<version>/` holding card.toml and the files that it names."""

import contextlib
import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from soutu.adapters.durable import sync
from soutu.domain.cards import CARD_FILE, card_from_text, invalid_model, is_model_name, text_tower
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard, ModelRef, TextTower

ArtefactCheck = Callable[[Path, ModelCard], None]
"""Raises MODEL_INVALID if the artefact at the path, or its text tower beside it, does not do what the card
says."""


class FolderModels:
    """The ModelStore over two roots: `bundled`, which is only read, and `models`, where models are added.

    `check` proves an artefact before it is added. A file's hash is checked on its first use in this process.
    Blocking: call it off the event loop where artefacts are large.
    """

    def __init__(self, models: Path, bundled: Path, check: ArtefactCheck) -> None:
        self._models = models
        self._roots = (bundled, models)
        self._check = check
        self._proven: set[Path] = set()
        self._cards: dict[str, ModelCard] = {}  # by name@version, which never change

    def list(self) -> tuple[ModelCard, ...]:
        """Every card, by name and version; MODEL_INVALID, naming the folder, if one is unsound."""
        return tuple(self._read(ref) for ref in self._refs())

    def card(self, name: str) -> ModelCard:
        """The card of `name@version`, or of the newest version of `name`; MODEL_NOT_FOUND lists all.

        Versions are compared by their numbers: 10 is newer than 9.
        """
        if known := self._cards.get(name):
            return known
        refs = [ref for ref in self._refs() if name in (ref.name, str(ref))]
        if not refs:
            raise self._not_found(name)
        return self._read(refs[-1])

    def artefact(self, ref: ModelRef) -> Path:
        """The artefact's file; MODEL_NOT_FOUND, or MODEL_INVALID if it is not the one of the card."""
        card = self.card(str(ref))
        return self._proven_file(card, card.artefact, card.sha256)

    def text_artefact(self, ref: ModelRef) -> Path:
        """The file of its text tower; as `artefact`, and TEXT_UNSUPPORTED where it has none."""
        card, tower = self._with_text(ref)
        return self._proven_file(card, tower.artefact, tower.sha256)

    def tokenizer(self, ref: ModelRef) -> Path:
        """The file of its tokenizer; as `text_artefact`."""
        card, tower = self._with_text(ref)
        return self._proven_file(card, tower.tokenizer, tower.tokenizer_sha256)

    def add(self, folder: Path) -> ModelCard:
        """Takes a copy of a model's folder, whole or not at all; the same model again changes nothing.

        MODEL_INVALID if card and artefact do not fit each other; MODEL_EXISTS if another model has this name
        and version.
        """
        card = _read_card(folder)
        if card.ref in self._refs():
            return self._same(card)
        self._models.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adding-", dir=self._models) as place:
            copy = _copied(folder, card, Path(place) / "model")
            for name, sha256 in _files(card).items():
                _compare_hash(copy / name, sha256, card)
            self._check(copy / card.artefact, card)
            return self._publish(copy, card)

    def _with_text(self, ref: ModelRef) -> tuple[ModelCard, TextTower]:
        card = self.card(str(ref))
        return card, text_tower(card)

    def _proven_file(self, card: ModelCard, name: str, sha256: str) -> Path:
        path = self._folder(card.ref) / name
        if path not in self._proven:
            _compare_hash(path, sha256, card)
            self._proven.add(path)
        return path

    def _publish(self, copy: Path, card: ModelCard) -> ModelCard:
        target = self._models / card.ref.name / card.ref.version
        target.parent.mkdir(exist_ok=True)
        try:
            copy.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            return self._same(card)  # another process was quicker
        sync(target.parent)
        return card

    def _same(self, card: ModelCard) -> ModelCard:
        if self._read(card.ref) != card:
            raise SoutuError(
                Reason.MODEL_EXISTS,
                f"A model {card.ref} exists and is another one; give this one another version.",
                model=card.ref,
            )
        return card

    def _refs(self) -> Sequence[ModelRef]:
        found = {ref for root in self._roots for ref in _refs_in(root)}
        return sorted(found, key=lambda ref: (ref.name, _version_key(ref.version)))

    def _read(self, ref: ModelRef) -> ModelCard:
        folder = self._folder(ref)
        card = _read_card(folder)
        if card.ref != ref:
            raise invalid_model(f"The folder of {ref} holds the card of {card.ref}; rename the folder.")
        self._cards[str(ref)] = card
        return card

    def _folder(self, ref: ModelRef) -> Path:
        folders = [root / ref.name / ref.version for root in self._roots]
        return next((folder for folder in folders if folder.is_dir()), folders[-1])

    def _not_found(self, name: str) -> SoutuError:
        known = ", ".join(str(ref) for ref in self._refs()) or "none"
        sentence = f"There is no model {name!r}; there are: {known}."
        return SoutuError(Reason.MODEL_NOT_FOUND, sentence, model=name)


def _refs_in(root: Path) -> Iterator[ModelRef]:
    for card in root.glob(f"*/*/{CARD_FILE}"):
        name, version = card.parts[-3:-1]
        if is_model_name(name) and is_model_name(version):
            yield ModelRef(name, version)


def _version_key(version: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"\d+|[^\d]+", version)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def _read_card(folder: Path) -> ModelCard:
    try:
        return card_from_text((folder / CARD_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise invalid_model(f"{folder.name} has no readable {CARD_FILE}.") from error


def _files(card: ModelCard) -> dict[str, str]:
    """The files beside the card, by name, with the sha256 that each has."""
    files = {card.artefact: card.sha256}
    if tower := card.text:
        files |= {tower.artefact: tower.sha256, tower.tokenizer: tower.tokenizer_sha256}
    return files


def _compare_hash(path: Path, sha256: str, card: ModelCard) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise invalid_model(f"The artefact {path.name} of {card.ref} cannot be read.") from error
    if found != sha256:
        sentence = (
            f"The artefact {path.name} of {card.ref} is not the one of its card: its sha256 is {found}."
        )
        raise invalid_model(sentence)


def _copied(folder: Path, card: ModelCard, target: Path) -> Path:
    target.mkdir()
    for name in (CARD_FILE, *_files(card)):
        with contextlib.suppress(FileNotFoundError):  # a missing artefact is reported with its hash
            shutil.copyfile(folder / name, target / name)
            sync(target / name)
    sync(target)
    return target
