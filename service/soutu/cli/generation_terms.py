"""Generations in words: what options ask for, and what is told of estimates, indexes and states."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from soutu.v1.collection_pb2 import Generation, Index
    from soutu.v1.collection_service_pb2 import EstimateGenerationResponse


def parsed_index(kind: str, parameters: list[str]) -> "Index | None":
    """The index that the options ask for; None where they ask for none."""
    from soutu.v1.collection_pb2 import Index, IndexType

    if not kind and not parameters:
        return None
    number = IndexType.Value("INDEX_TYPE_UNSPECIFIED")
    if kind:
        try:
            number = IndexType.Value(f"INDEX_TYPE_{kind.upper()}")
        except ValueError:
            known = ", ".join(name.removeprefix("INDEX_TYPE_").lower() for name in IndexType.keys()[1:])
            raise typer.BadParameter(f"{kind} is none of: {known}", param_hint="--index") from None
    return Index(type=number, parameters=dict(_parameter(text) for text in parameters))


def _parameter(text: str) -> tuple[str, int]:
    name, separator, number = text.partition("=")
    if not separator or not number.isdigit():
        raise typer.BadParameter(f"{text} is not NAME=NUMBER", param_hint="--set")
    return name, int(number)


def estimate_text(estimate: "EstimateGenerationResponse") -> str:
    """Such as `12,000 images to embed · about 4 min · 15.2 MB of disk · 14.0 MB of memory`."""
    from soutu.cli.output import size_text

    images = (
        f"{estimate.images_to_embed:,} images to embed" if estimate.images_to_embed else "nothing to embed"
    )
    disk, memory = size_text(estimate.disk_bytes), size_text(estimate.memory_bytes)
    return f"{images} · about {time_text(estimate.duration.ToTimedelta().total_seconds())} · " + (
        f"{disk} of disk · {memory} of memory"
    )


def time_text(seconds: float) -> str:
    """Such as 40 s, 5 min, 2.5 h."""
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3600:.1f} h"


def index_text(index: "Index") -> str:
    """Such as hnsw m=32; auto where the server chooses."""
    from soutu.v1.collection_pb2 import IndexType

    kind = IndexType.Name(index.type).removeprefix("INDEX_TYPE_").lower()
    parameters = (f"{name}={number}" for name, number in sorted(index.parameters.items()))
    return " ".join(["auto" if kind == "unspecified" else kind, *parameters])


def state_text(generation: "Generation") -> str:
    """Such as building; active for the one that searches use."""
    state = generation.State.Name(generation.state).removeprefix("STATE_").lower()
    return "active" if generation.active else state


def behind_text(generation: "Generation", loading: bool) -> str:
    """How many changes it has still to take over; while indexes are loaded that is not known yet."""
    unknown = loading and generation.pending_changes and generation.state == generation.STATE_READY
    return "loading" if unknown else f"{generation.pending_changes:,}"
