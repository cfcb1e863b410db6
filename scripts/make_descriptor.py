"""Writes the model that ships with Soutu: a hand-made descriptor, with its card, into the package.

    PYTHONPATH=service python scripts/make_descriptor.py [FOLDER]

Run it after a change of soutu/models/descriptor, with a new VERSION: models are immutable.
"""

import argparse
import hashlib
from pathlib import Path

from soutu.domain.cards import CARD_FILE, card_text
from soutu.domain.model import InputSpec, ModelCard, ModelRef, Task
from soutu.models.descriptor.design import DescriptorDesign
from soutu.models.descriptor.model import descriptor, dimension
from soutu.models.verify import check_artefact

NAME, VERSION = "gradient-color", "1"
BUNDLED = Path(__file__).resolve().parents[1] / "service" / "soutu" / "models" / "bundled"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=BUNDLED / NAME / VERSION)
    folder: Path = parser.parse_args().folder
    card = write_descriptor(folder, DescriptorDesign())
    size_bytes = (folder / card.artefact).stat().st_size
    print(f"{card.ref}: {card.dimension} dimensions, {size_bytes:,} bytes, in {folder}")


def write_descriptor(folder: Path, design: DescriptorDesign) -> ModelCard:
    """Writes artefact and card into `folder`, proven; equal designs make equal bytes."""
    content = descriptor(design).SerializeToString(deterministic=True)
    card = ModelCard(
        ref=ModelRef(NAME, VERSION),
        task=Task.EMBED_IMAGE,
        dimension=dimension(design),
        input=InputSpec(design.side, design.side),
        pooling="none",
        licence="Apache-2.0",
        source="scripts/make_descriptor.py",
        sha256=hashlib.sha256(content).hexdigest(),
        description="Hand-made: soft colour histogram and oriented-gradient energies. Knows colours and "
        "coarse shape, not what things are; needs no training.",
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / card.artefact).write_bytes(content)
    (folder / CARD_FILE).write_text(card_text(card), encoding="utf-8")
    check_artefact(folder / card.artefact, card)
    return card


if __name__ == "__main__":
    main()
