"""What a build or a sync may be pointed at, as it was asked for and as its operation keeps it."""

import fnmatch
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from soutu.domain.image import Keeping

_EXTENSIONS = frozenset(
    f".{name}"
    for name in (
        "jpg",
        "jpeg",
        "jpe",
        "jfif",
        "png",
        "webp",
        "gif",
        "tif",
        "tiff",
        "bmp",
        "heic",
        "heif",
        "avif",
    )
)
_RAW_EXTENSIONS = frozenset((".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"))


def is_raw(path: str) -> bool:
    """Whether the path ends like those of cameras' raw files."""
    return path[path.rfind(".") :].lower() in _RAW_EXTENSIONS


def is_picture(path: str) -> bool:
    """Whether the path ends like those of the formats that can be decoded."""
    return path[path.rfind(".") :].lower() in _EXTENSIONS or is_raw(path)


@dataclass(frozen=True, slots=True)
class DirectorySpec:
    """A directory of image files. `include` and `exclude` are glob patterns over relative paths."""

    path: Path
    flat: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def default_keeping(self) -> Keeping:
        """The files stay where they are."""
        return Keeping.REFERENCED

    def offers(self, relative: str) -> bool:
        """Whether the file at this relative path is part of the source."""
        if any(fnmatch.fnmatch(relative, pattern) for pattern in self.exclude):
            return False
        if self.include:
            return any(fnmatch.fnmatch(relative, pattern) for pattern in self.include)
        return is_picture(relative)


@dataclass(frozen=True, slots=True)
class TarSpec:
    """A tar archive, plain or compressed with gzip, bzip2 or xz."""

    path: Path

    @property
    def default_keeping(self) -> Keeping:
        """What is in an archive cannot be referred to."""
        return Keeping.STORED


@dataclass(frozen=True, slots=True)
class ManifestSpec:
    """A CSV or Parquet file with a row per image. `columns` are column names by metadata field; where there
    are none, the columns that are named like fields."""

    path: Path
    path_column: str = "path"
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def default_keeping(self) -> Keeping:
        """The files stay where they are."""
        return Keeping.REFERENCED


SourceSpec = DirectorySpec | TarSpec | ManifestSpec
_KINDS: Mapping[str, type[DirectorySpec] | type[TarSpec] | type[ManifestSpec]] = {
    "directory": DirectorySpec,
    "tar": TarSpec,
    "manifest": ManifestSpec,
}


def kind_of(spec: SourceSpec) -> str:
    """The name of the spec's kind, as in the contract's Source."""
    return next(kind for kind, made in _KINDS.items() if isinstance(spec, made))


def spec_mapping(spec: SourceSpec) -> Mapping[str, object]:
    """The JSON-like form."""
    return asdict(spec) | {"kind": kind_of(spec), "path": str(spec.path)}


def parsed_spec(mapping: Any) -> SourceSpec:
    """What `spec_mapping` wrote, also after a way through JSON."""
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in mapping.items()
    }
    kind = _KINDS[fields.pop("kind")]
    return kind(**fields | {"path": Path(fields["path"])})
