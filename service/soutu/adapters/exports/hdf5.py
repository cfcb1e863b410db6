"""Exports as HDF5: one file, features.h5, that other programs know how to read.

features   float32 (n, dimension), row by row the embedding of an image; not-a-number where it has none
paths      UTF-8, the path that the image's file had, or its id where it came from none
ids        UTF-8
records    UTF-8, everything else about the image as JSON; what an import reads
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from soutu.adapters.exports.library import library, unreadable
from soutu.adapters.exports.records import PREFIX, image_of, record_of
from soutu.domain.collection import AttributeType
from soutu.domain.exchange import Exported, ExportHeader
from soutu.domain.image import Image

FILE = "features.h5"
_TEXTS = ("paths", "ids", "records")
_CHUNK = 256


class Hdf5Writer:
    """Writes an export."""

    def __init__(self, directory: Path, header: ExportHeader) -> None:
        h5py = library("h5py")
        self._header = header
        self._file = h5py.File(directory / FILE, "w")
        text = h5py.string_dtype("utf-8")
        for name in _TEXTS:
            self._file.create_dataset(name, (0,), maxshape=(None,), dtype=text, chunks=(_CHUNK,))
        size = header.dimension
        self._file.create_dataset(
            "features", (0, size), maxshape=(None, size), dtype="float32", chunks=(_CHUNK, size)
        )

    def write(self, rows: Sequence[Exported]) -> None:
        """Adds these images."""
        records = [record_of(row.image, self._header.attributes) for row in rows]
        missing = np.full(self._header.dimension, np.nan, np.float32)
        self._append("features", np.stack([missing if row.vector is None else row.vector for row in rows]))
        self._append("paths", [_path(row.image) for row in rows])
        self._append("ids", [row.image.id for row in rows])
        self._append("records", [json.dumps(record, default=datetime.isoformat) for record in records])

    def close(self) -> None:
        """Ends the file."""
        self._file.close()

    def _append(self, name: str, values: Any) -> None:
        dataset = self._file[name]
        before = dataset.shape[0]
        dataset.resize(before + len(values), axis=0)
        dataset[before:] = values


class Hdf5Reader:
    """Reads an export; SOURCE_NOT_FOUND where it is not one of ours."""

    def __init__(self, directory: Path, header: ExportHeader) -> None:
        h5py = library("h5py")
        self._header = header
        try:
            self._file = h5py.File(directory / FILE, "r")
            self._features, self._records = self._file["features"], self._file["records"]
            self.total = int(self._records.shape[0])
        except (OSError, ValueError, KeyError) as error:
            raise unreadable("lacks features.h5, or it was not made by `soutu export`") from error
        if self._features.shape != (self.total, header.dimension):
            raise unreadable("has features of another number or dimension than it says")

    def read(self, start: int, limit: int) -> Sequence[Exported]:
        """Up to `limit` images from row `start` on, in the order of the file; none at its end."""
        try:
            features = self._features[start : start + limit].astype(np.float32)
            texts = self._records[start : start + limit]
            pairs = zip(texts, features, strict=True)
            return [_exported(*pair, self._header.attributes) for pair in pairs]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise unreadable(f"cannot be read at row {start}") from error

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _exported(text: bytes, vector: Any, attributes: Mapping[str, AttributeType]) -> Exported:
    record = json.loads(text)
    for name, kind in attributes.items():
        value = record[f"{PREFIX}{name}"]
        if kind is AttributeType.TIMESTAMP and value is not None:
            record[f"{PREFIX}{name}"] = datetime.fromisoformat(value)
    return Exported(image_of(record), None if np.isnan(vector).any() else vector)


def _path(image: Image) -> str:
    return image.original.path or (image.origin.path if image.origin else "") or image.id
