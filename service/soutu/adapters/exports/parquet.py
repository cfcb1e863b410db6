"""Exports as Parquet: images.parquet with a column per field, embeddings.parquet with a list per image.

Both have the same images in the same order, so they are read side by side; row groups keep memory bounded.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from soutu.adapters.exports.library import library, unreadable
from soutu.adapters.exports.records import PREFIX, image_of, record_of
from soutu.domain.collection import AttributeType
from soutu.domain.exchange import Exported, ExportHeader

IMAGES, EMBEDDINGS = "images.parquet", "embeddings.parquet"
_TYPES = {
    "size_bytes": "int64",
    "width": "int32",
    "height": "int32",
    "capture_time": "time",
    "tags": "strings",
    "rating": "int32",
    "original_mtime_ns": "int64",
    "create_time": "time",
    "update_time": "time",
}
_TEXTS = (
    *("id", "sha256", "media_type", "camera", "lens", "title", "source_uri", "category"),
    *("keeping", "original_path", "origin_source", "origin_path"),
)
_ATTRIBUTES = {
    AttributeType.STRING: "text",
    AttributeType.INTEGER: "int64",
    AttributeType.NUMBER: "float64",
    AttributeType.BOOLEAN: "boolean",
    AttributeType.TIMESTAMP: "time",
    AttributeType.STRINGS: "strings",
}


class ParquetWriter:
    """Writes an export; every call of `write` becomes a row group."""

    def __init__(self, directory: Path, header: ExportHeader) -> None:
        parquet = library("pyarrow.parquet")
        self._header = header
        self._images_schema = _images_schema(header.attributes)
        self._embeddings_schema = _embeddings_schema(header.dimension)
        self._images = parquet.ParquetWriter(directory / IMAGES, self._images_schema, compression="zstd")
        self._embeddings = parquet.ParquetWriter(
            directory / EMBEDDINGS, self._embeddings_schema, compression="zstd"
        )

    def write(self, rows: Sequence[Exported]) -> None:
        """Adds these images."""
        pyarrow = library("pyarrow")
        records = [record_of(row.image, self._header.attributes) for row in rows]
        self._images.write_table(pyarrow.Table.from_pylist(records, self._images_schema))
        embeddings = [
            {
                "id": row.image.id,
                "sha256": row.image.content.sha256,
                "model": str(self._header.model),
                "embedding": row.vector,
            }
            for row in rows
        ]
        self._embeddings.write_table(pyarrow.Table.from_pylist(embeddings, self._embeddings_schema))

    def close(self) -> None:
        """Ends both files."""
        self._images.close()
        self._embeddings.close()


class ParquetReader:
    """Reads an export, a row group at a time; SOURCE_NOT_FOUND where it is not one of ours."""

    def __init__(self, directory: Path, header: ExportHeader) -> None:
        parquet = library("pyarrow.parquet")
        try:
            self._images = parquet.ParquetFile(directory / IMAGES)
            self._embeddings = parquet.ParquetFile(directory / EMBEDDINGS)
        except (OSError, ValueError) as error:
            raise unreadable("lacks images.parquet or embeddings.parquet, or they are damaged") from error
        self._header = header
        self._group = -1
        self._first = 0
        self._rows: tuple[Any, Any] | None = None
        self.total = int(self._images.metadata.num_rows)
        if self._embeddings.metadata.num_rows != self.total:
            raise unreadable("has not as many embeddings as images")

    def read(self, start: int, limit: int) -> Sequence[Exported]:
        """Up to `limit` images from row `start` on, in the order of the file; none at its end."""
        if start >= self.total:
            return []
        try:
            images, embeddings = self._holding(start)
            at = start - self._first
            records = images.slice(at, limit).to_pylist()
            vectors = embeddings.slice(at, limit).to_pylist()
            return [self._exported(*pair) for pair in zip(records, vectors, strict=True)]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise unreadable(f"cannot be read at row {start}") from error

    def close(self) -> None:
        """Closes both files."""
        self._images.close()
        self._embeddings.close()

    def _holding(self, row: int) -> tuple[Any, Any]:
        """The row group of both files that has the row: they were written alike."""
        if self._rows is None or not self._first <= row < self._first + self._rows[0].num_rows:
            self._group, self._first = _group_of(self._images.metadata, row)
            images = self._images.read_row_group(self._group)
            embeddings = self._embeddings.read_row_group(self._group)
            if images.column("id") != embeddings.column("id"):
                raise unreadable("has images and embeddings in different orders")
            self._rows = images, embeddings
        return self._rows

    def _exported(self, record: Mapping[str, Any], embedding: Mapping[str, Any]) -> Exported:
        values = embedding["embedding"]
        if values is None or embedding["model"] != str(self._header.model):
            return Exported(image_of(record), None)
        return Exported(image_of(record), np.asarray(values, np.float32))


def _group_of(metadata: Any, row: int) -> tuple[int, int]:
    """The number of the row group that has the row, and the group's first row."""
    first = 0
    for group in range(metadata.num_row_groups):
        count = metadata.row_group(group).num_rows
        if row < first + count:
            return group, first
        first += count
    raise unreadable(f"has no row {row}")


def _images_schema(attributes: Mapping[str, AttributeType]) -> Any:
    pyarrow = library("pyarrow")
    own = {**dict.fromkeys(_TEXTS, "text"), **_TYPES}
    own |= {f"{PREFIX}{name}": _ATTRIBUTES[kind] for name, kind in attributes.items()}
    return pyarrow.schema([(name, _type(kind)) for name, kind in own.items()])


def _embeddings_schema(dimension: int) -> Any:
    pyarrow = library("pyarrow")
    vector = pyarrow.list_(pyarrow.float32(), dimension)
    texts = [(name, pyarrow.string()) for name in ("id", "sha256", "model")]
    return pyarrow.schema([*texts, ("embedding", vector)])


def _type(kind: str) -> Any:
    pyarrow = library("pyarrow")
    return {
        "text": pyarrow.string(),
        "int32": pyarrow.int32(),
        "int64": pyarrow.int64(),
        "float64": pyarrow.float64(),
        "boolean": pyarrow.bool_(),
        "time": pyarrow.timestamp("us", tz="UTC"),
        "strings": pyarrow.list_(pyarrow.string()),
    }[kind]
