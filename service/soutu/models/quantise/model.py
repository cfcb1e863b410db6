"""A model's folder becomes the folder of a quantised one, or fails where that would find too much less."""

import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from soutu.domain.cards import CARD_FILE, card_from_text, embedding_model, invalid_model
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.model import ModelCard, ModelRef
from soutu.models.folder import finish_folder, new_folder
from soutu.models.pictures import Pixels, fitted_pictures
from soutu.models.quantise.float16 import write_float16
from soutu.models.quantise.forms import Form
from soutu.models.quantise.int8 import write_int8
from soutu.models.quantise.report import Labelled, Report, labelled_pictures, measured

_CALIBRATED_ON = 128


@dataclass(frozen=True, slots=True)
class QuantiseTerms:
    """How to quantise.

    `calibrate` has pictures like those to be searched; `labelled` one directory of pictures per class, to
    measure what is lost: at most `most_loss` of mAP, in [0, 1]; None for as much as it takes.
    """

    form: Form
    version: str = "1"
    calibrate: Path | None = None
    labelled: Path | None = None
    most_loss: float | None = 0.005
    most_labelled: int = 0


def quantise_model(folder: Path, terms: QuantiseTerms, target: Path) -> Report:
    """Writes the new folder `target`, whole or not at all, and says what was lost and gained.

    MODEL_NOT_EMBEDDING for a model of local features: what would be lost is measured on vectors.
    MODEL_INVALID where there is nothing to calibrate on, or the artefact is not float32; MODEL_LOSES where
    more than `most_loss` is lost.
    """
    card = embedding_model(_card_of(folder))
    labelled = None if terms.labelled is None else _labelled(card, terms)
    pixels = _calibration(card, terms, labelled)
    with new_folder(target) as made:
        artefact = made / card.artefact
        if terms.form is Form.FLOAT16:
            write_float16(folder / card.artefact, artefact)
        else:
            write_int8(folder / card.artefact, artefact, pixels, terms.form)
        _copy_text_tower(card, folder, made)
        finish_folder(made, _quantised_card(card, terms, artefact))
        report = measured(folder / card.artefact, artefact, pixels, labelled)
        _check_loss(report, terms)
        return report


def _card_of(folder: Path) -> ModelCard:
    try:
        return card_from_text((folder / CARD_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise invalid_model(f"{folder.name} has no readable {CARD_FILE}.") from error


def _labelled(card: ModelCard, terms: QuantiseTerms) -> Labelled:
    return labelled_pictures(terms.labelled or Path(), card.input, terms.most_labelled)


def _calibration(card: ModelCard, terms: QuantiseTerms, labelled: Labelled | None) -> Pixels:
    if terms.calibrate:
        return fitted_pictures(terms.calibrate, card.input, _CALIBRATED_ON)
    if terms.form is Form.FLOAT16 and labelled:
        return labelled.pixels[:_CALIBRATED_ON]
    raise invalid_model("Pictures are needed to calibrate and to compare on: say --calibrate.")


def _quantised_card(card: ModelCard, terms: QuantiseTerms, artefact: Path) -> ModelCard:
    with artefact.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    made_from = f"{terms.form} form of {card.ref}, sha256 {card.sha256}. {card.description}".strip()
    ref = ModelRef(card.ref.name + terms.form.suffix, terms.version)
    return replace(card, ref=ref, sha256=digest, description=made_from)


def _copy_text_tower(card: ModelCard, folder: Path, made: Path) -> None:
    """Texts are few and short: their tower stays as it is."""
    if card.text:
        for name in (card.text.artefact, card.text.tokenizer):
            shutil.copyfile(folder / name, made / name)


def _check_loss(report: Report, terms: QuantiseTerms) -> None:
    if terms.most_loss is not None and report.loss is not None and report.loss > terms.most_loss:
        raise SoutuError(
            Reason.MODEL_LOSES,
            f"The quantised model loses {100 * report.loss:.2f} points of mAP, more than "
            f"{100 * terms.most_loss:.2f}; --allow-loss keeps it all the same.",
        )
