"""What was asked of a build or a sync, and where it works."""

from collections.abc import Mapping
from dataclasses import dataclass

from soutu.domain.collection import Head
from soutu.domain.image import Keeping
from soutu.domain.model import ModelRef
from soutu.ingest.sources import Source
from soutu.ingest.specs import SourceSpec, parsed_spec, spec_mapping


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What was asked of a build, as its operation keeps it. `started_at` is the collection's revision when
    it was asked for: what is deleted after that stays deleted. With `retry_of`, an operation's id, only the
    items that failed there are built."""

    source: SourceSpec
    keeping: Keeping
    started_at: int = 0
    retry_of: str = ""

    def as_mapping(self) -> Mapping[str, object]:
        """The JSON-like form."""
        return {
            "source": spec_mapping(self.source),
            "keeping": self.keeping.value,
            "started_at": self.started_at,
            "retry_of": self.retry_of,
        }

    @classmethod
    def parsed(cls, request: Mapping[str, object]) -> "BuildRequest":
        """What `as_mapping` wrote."""
        return cls(
            parsed_spec(request["source"]),
            Keeping(str(request["keeping"])),
            int(str(request["started_at"])),
            str(request["retry_of"]),
        )


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What was asked of a sync, as its operation keeps it; `started_at` is as in `BuildRequest`."""

    source: SourceSpec
    keeping: Keeping
    dry_run: bool = False
    watch: bool = False
    keep_vanished: bool = False
    started_at: int = 0

    def as_mapping(self) -> Mapping[str, object]:
        """The JSON-like form."""
        return {
            "source": spec_mapping(self.source),
            "keeping": self.keeping.value,
            "dry_run": self.dry_run,
            "watch": self.watch,
            "keep_vanished": self.keep_vanished,
            "started_at": self.started_at,
        }

    @classmethod
    def parsed(cls, request: Mapping[str, object]) -> "SyncRequest":
        """What `as_mapping` wrote."""
        return cls(
            parsed_spec(request["source"]),
            Keeping(str(request["keeping"])),
            bool(request["dry_run"]),
            bool(request["watch"]),
            bool(request["keep_vanished"]),
            int(str(request["started_at"])),
        )


@dataclass(frozen=True, slots=True)
class Site:
    """What a build fills, from what, and with embeddings of which models."""

    head: Head
    source: Source
    keeping: Keeping
    models: frozenset[ModelRef]
    started_at: int
