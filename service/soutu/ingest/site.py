"""Where a build works."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soutu.domain.collection import Head
from soutu.domain.image import Keeping
from soutu.domain.model import ModelRef
from soutu.ingest.sources import DirectorySource


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What was asked of a build, as its operation keeps it. `started_at` is the collection's revision when
    it was asked for: what is deleted after that stays deleted."""

    source: DirectorySource
    keeping: Keeping
    started_at: int

    def as_mapping(self) -> Mapping[str, object]:
        """The JSON-like form."""
        return {
            "path": str(self.source.path),
            "flat": self.source.flat,
            "include": list(self.source.include),
            "exclude": list(self.source.exclude),
            "keeping": self.keeping.value,
            "started_at": self.started_at,
        }

    @classmethod
    def parsed(cls, request: Mapping[str, object]) -> "BuildRequest":
        """What `as_mapping` wrote."""
        include, exclude = request["include"], request["exclude"]
        assert isinstance(include, list) and isinstance(exclude, list)
        source = DirectorySource(
            Path(str(request["path"])), bool(request["flat"]), tuple(include), tuple(exclude)
        )
        return cls(source, Keeping(str(request["keeping"])), int(str(request["started_at"])))


@dataclass(frozen=True, slots=True)
class Site:
    """What a build fills, from what, and with embeddings of which models."""

    head: Head
    source: DirectorySource
    keeping: Keeping
    models: frozenset[ModelRef]
    started_at: int
