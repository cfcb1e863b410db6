"""Sources by their paths."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from soutu.v1.collection_service_pb2 import DirectorySource, ManifestSource, Source, TarSource

SourceKind = Literal["directory", "tar", "manifest"]
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_MANIFESTS = (".csv", ".parquet", ".pq")


class DirectoryFields(TypedDict, total=False):
    """Which files of a directory are taken; the fields of DirectorySource."""

    flat: bool
    include: Sequence[str]
    exclude: Sequence[str]


def source_of(path: Path, kind: SourceKind | None = None, **fields: Unpack[DirectoryFields]) -> Source:
    """The source at a path of the server's machine; `fields` are for directories."""
    text = str(path.resolve())
    match kind or kind_of(path):
        case "tar":
            return Source(tar=TarSource(path=text))
        case "manifest":
            return Source(manifest=ManifestSource(path=text))
        case "directory":
            return Source(directory=DirectorySource(path=text, **fields))


def kind_of(path: Path) -> SourceKind:
    """What kind of source a path is by its name; what is a directory here is one, whatever its name."""
    name = path.name.lower()
    if _is_directory(path):
        return "directory"
    if name.endswith(_ARCHIVES):
        return "tar"
    return "manifest" if name.endswith(_MANIFESTS) else "directory"


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as a name that is too long for this machine
        return False
