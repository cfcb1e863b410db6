"""A second model for the flows: the bundled descriptor with other numbers, small and quick."""

import hashlib
from functools import cache
from pathlib import Path

from soutu.domain.cards import CARD_FILE, card_text
from soutu.domain.model import InputSpec, ModelCard, ModelRef, Task
from soutu.models.descriptor.design import DescriptorDesign
from soutu.models.descriptor.model import descriptor, dimension

SECOND = "models/coarse-color@1"
_DESIGN = DescriptorDesign(side=64, colour_side=16, chroma_bins=7, edge_scales=2, edge_weight=0.3)


def add_second_model(data_dir: Path) -> str:
    """Puts the model among those of a server, which may be running; its name."""
    return put_second_model(data_dir / "models")


def put_second_model(models: Path) -> str:
    """Puts the model into a directory of models; its name."""
    card, artefact = _made()
    folder = models / card.ref.name / card.ref.version
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / card.artefact).write_bytes(artefact)
        (folder / CARD_FILE).write_text(card_text(card), encoding="utf-8")
    return SECOND


@cache
def _made() -> tuple[ModelCard, bytes]:
    artefact = descriptor(_DESIGN).SerializeToString(deterministic=True)
    card = ModelCard(
        ref=ModelRef("coarse-color", "1"),
        task=Task.EMBED_IMAGE,
        dimension=dimension(_DESIGN),
        input=InputSpec(_DESIGN.side, _DESIGN.side),
        pooling="none",
        licence="Apache-2.0",
        source="tests/flows/models.py",
        sha256=hashlib.sha256(artefact).hexdigest(),
    )
    return card, artefact
