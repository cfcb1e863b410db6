"""A model's folder on disk appears whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soutu.domain.cards import CARD_FILE, card_text, invalid_model
from soutu.domain.model import ModelCard
from soutu.models.verify import check_artefact


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A place to write in that becomes `folder` where nothing failed; MODEL_INVALID if that exists."""
    if folder.exists():
        raise invalid_model(f"{folder} exists; models are immutable.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as place:
        made = Path(place) / "model"
        made.mkdir()
        yield made
        made.rename(folder)


def finish_folder(made: Path, card: ModelCard) -> None:
    """Writes the card beside its artefact and proves that they fit each other; MODEL_INVALID if not."""
    (made / CARD_FILE).write_text(card_text(card), encoding="utf-8")
    check_artefact(made / card.artefact, card)


def write_folder(folder: Path, content: bytes, card: ModelCard) -> None:
    """Writes `folder` (new) with an artefact and its card, whole or not at all; MODEL_INVALID if they do not
    fit each other."""
    with new_folder(folder) as made:
        (made / card.artefact).write_bytes(content)
        finish_folder(made, card)
