"""Opening sources: only what exists, and only below the directories that the server may read."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from soutu.domain.collection import AttributeType
from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.ingest.archive import TarSource
from soutu.ingest.directory import DirectorySource
from soutu.ingest.manifest import ManifestSource
from soutu.ingest.sources import Source
from soutu.ingest.specs import DirectorySpec, ManifestSpec, SourceSpec, TarSpec, kind_of
from soutu.ingest.unpacking import UnpackLimits


class Sources:
    """Makes sources of specs, below `roots`."""

    def __init__(self, roots: Sequence[Path], limits: UnpackLimits | None = None) -> None:
        self._roots = roots
        self._limits = limits or UnpackLimits()

    def allowed(self, spec: SourceSpec) -> SourceSpec:
        """The spec with its path resolved. Blocks. FIELD_INVALID where the path is not absolute,
        SOURCE_NOT_ALLOWED where it lies under none of the roots, SOURCE_NOT_FOUND where nothing of its kind
        is there."""
        text, kind = str(spec.path), kind_of(spec)
        if not spec.path.is_absolute() or "\0" in text:
            raise invalid_field(f"source.{kind}.path", "must be an absolute path on the server")
        path = Path(os.path.realpath(text))
        if not any(path.is_relative_to(os.path.realpath(root)) for root in self._roots):
            raise SoutuError(
                Reason.SOURCE_NOT_ALLOWED,
                "The source lies outside build_roots; start the server with SOUTU_BUILD_ROOTS naming it "
                "or a directory above it.",
            )
        _check_there(path, isinstance(spec, DirectorySpec))
        return replace(spec, path=path)

    def opened(self, spec: SourceSpec, schema: Mapping[str, AttributeType]) -> Source:
        """The source, for a collection with these attributes. Blocks; errors as of `allowed`."""
        match self.allowed(spec):
            case DirectorySpec() as directory:
                return DirectorySource(directory)
            case TarSpec() as tar:
                return TarSource(tar, self._limits)
            case ManifestSpec() as manifest:
                return ManifestSource(manifest, self._roots, schema)


def _check_there(path: Path, directory: bool) -> None:
    try:
        there = path.is_dir() if directory else path.is_file()
    except OSError:  # such as a name that is too long
        there = False
    if not there:
        kind = "directory" if directory else "file"
        raise SoutuError(Reason.SOURCE_NOT_FOUND, f"There is no such {kind} on the server.")
