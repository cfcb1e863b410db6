"""Manifests as sources: a table of paths, with what is to be said of each image."""

import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from soutu.domain.collection import AttributeType
from soutu.domain.errors import Reason, SoutuError, invalid_field
from soutu.ingest.cells import ATTRIBUTE, FIELDS, said_of
from soutu.ingest.sources import ITEM_LIMIT, Item, Listing, Picture, Sidecar, is_text, refused, shown
from soutu.ingest.specs import ManifestSpec
from soutu.ingest.steady import read_steady
from soutu.ingest.tables import Row, Table, opened_table


class ManifestSource:
    """The rows of a manifest, in its order. A row that cannot be is an item with a failure that names its
    number; of rows with the same path the first counts.

    Paths are relative to the manifest's directory, and must lie under one of `roots`, links followed.
    `schema` are the collection's attributes.
    """

    def __init__(
        self, spec: ManifestSpec, roots: Sequence[Path], schema: Mapping[str, AttributeType]
    ) -> None:
        self._spec = spec
        self._roots = [os.path.realpath(root) for root in roots]
        self._schema = schema
        self._files: dict[str, str] = {}
        self._closed = threading.Event()
        self.name = str(spec.path)

    @property
    def stamp(self) -> str:
        """The manifest's size and time: SOURCE_NOT_FOUND."""
        try:
            status = self._spec.path.stat()
        except OSError as error:
            raise SoutuError(Reason.SOURCE_NOT_FOUND, "The manifest cannot be read.") from error
        return f"{status.st_size}-{status.st_mtime_ns}"

    def listing(self) -> Listing:
        """FIELD_INVALID where a column that was asked for is not there, or is for an attribute that the
        collection does not have; OPERATION_CANCELLED once the source is closed."""
        self._files.clear()
        with opened_table(self._spec.path) as table:
            return Listing(list(self._items(table)))

    def read(self, item: Item, limit_bytes: int) -> Picture:
        """All of one state of the file."""
        return read_steady(self._files[item.path], limit_bytes)

    def read_sidecar(self, sidecar: Sidecar, limit_bytes: int) -> bytes:
        """All of one state of the sidecar."""
        return read_steady(sidecar.path, limit_bytes).content

    def close(self) -> None:
        """Nothing stays open; a listing that is under way in another thread ends at its next row."""
        self._closed.set()

    def _items(self, table: Table) -> Iterator[Item]:
        columns = self._columns(table.columns)
        for count, row in enumerate(table.rows):
            if self._closed.is_set():
                raise SoutuError(Reason.OPERATION_CANCELLED)
            if count >= ITEM_LIMIT:
                raise SoutuError(Reason.SOURCE_TOO_LARGE, f"The manifest has over {ITEM_LIMIT} rows.")
            yield self._item_or_failure(row, columns)

    def _columns(self, present: Sequence[str]) -> Mapping[str, str]:
        """The columns to read, by field."""
        path_column = self._spec.path_column or "path"
        named_like_fields = {each: each for each in present if each in FIELDS or each.startswith(ATTRIBUTE)}
        columns = dict(self._spec.columns) or named_like_fields
        for column in (path_column, *columns.values()):
            if column not in present:
                raise invalid_field("source.manifest", f"the manifest has no column {shown(column)!r}")
        for field in columns:
            self._check_field(field)
        return columns

    def _check_field(self, field: str) -> None:
        known = field in FIELDS or field.removeprefix(ATTRIBUTE) in self._schema
        if not known or (field not in FIELDS and not field.startswith(ATTRIBUTE)):
            message = f"{shown(field)!r} is no field of images and no attribute of the collection"
            raise invalid_field("source.manifest.columns", message)

    def _item_or_failure(self, row: Row, columns: Mapping[str, str]) -> Item:
        path = row.cells.get(self._spec.path_column or "path")
        name = shown(path) if isinstance(path, str) and path else f"row {row.number}"
        try:
            return self._item(row, path, columns)
        except SoutuError as error:
            numbered = SoutuError(error.reason, f"Row {row.number}: {error.message}")
            return refused((row.number, name), numbered)

    def _item(self, row: Row, path: object, columns: Mapping[str, str]) -> Item:
        if row.fault:
            raise invalid_field("row", row.fault)
        if not isinstance(path, str) or not path or not is_text(path):
            raise invalid_field("path", "must be the path of a file, in Unicode")
        path = os.path.normpath(path)
        if path in self._files:
            raise invalid_field("path", "comes in an earlier row already")
        said = said_of({field: row.cells.get(column) for field, column in columns.items()}, self._schema)
        file, status = self._file(path)
        self._files[path] = file
        return Item((row.number, path), status.st_size, status.st_mtime_ns, said, sidecar=_sidecar(file))

    def _file(self, path: str) -> tuple[str, os.stat_result]:
        """The file that the path means in the end, and its state."""
        file = os.path.realpath(self._spec.path.parent / path)
        if not any(Path(file).is_relative_to(root) for root in self._roots):
            raise SoutuError(Reason.SOURCE_NOT_ALLOWED, "The path leads out of build_roots.")
        try:
            status = os.lstat(file)
        except OSError as error:
            raise SoutuError(Reason.ORIGINAL_GONE, "There is no such file.") from error
        if not stat.S_ISREG(status.st_mode):
            raise SoutuError(Reason.ORIGINAL_GONE, "The path is not that of a file.")
        return file, status


def _sidecar(file: str) -> Sidecar | None:
    """The XMP file beside a file, which lies under the same root: photo.jpg.xmp, else photo.xmp."""
    for path in (f"{file}.xmp", str(Path(file).with_suffix(".xmp"))):
        try:
            status = os.lstat(path)
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(status.st_mode):
            return Sidecar(path, status.st_size, status.st_mtime_ns)
    return None
