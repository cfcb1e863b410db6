"""Tables in files: CSV and Parquet, row by row."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from soutu.domain.errors import Reason, SoutuError

_BATCH_ROWS = 1_024
_FILE_BYTES = 2**30
_ROW_CHARACTERS = 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `number` is its line in a CSV file and its place, from 1 on, in a Parquet file. With `fault`
    it could not be read."""

    number: int
    cells: Mapping[str, object]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is open: its columns, and its rows, once."""

    columns: Sequence[str]
    rows: Iterator[Row]


def opened_table(path: Path) -> AbstractContextManager[Table]:
    """The table in the file: Parquet where its name says so, else CSV in UTF-8. SOURCE_NOT_FOUND where it
    cannot be read, SOURCE_TOO_LARGE above 1 GiB or, in CSV, 1 Mi characters in a row, FEATURE_UNIMPLEMENTED
    for Parquet without pyarrow."""
    _check_size(path)
    return _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)


def _check_size(path: Path) -> None:
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise _unreadable() from error
    if size_bytes > _FILE_BYTES:
        raise SoutuError(Reason.SOURCE_TOO_LARGE, "The manifest has more than 1 GiB; split it.")


@contextmanager
def _csv(path: Path) -> Iterator[Table]:
    try:
        # What is no UTF-8 becomes surrogates, which only the rows that hold them are refused for.
        file = path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise _unreadable() from error
    with file:
        lines = _Lines(file)
        reader = csv.DictReader(lines)
        try:
            columns = list(reader.fieldnames or ())
        except (csv.Error, OSError) as error:
            raise _unreadable() from error
        yield Table(columns, _csv_rows(reader, lines))


class _Lines:
    """The lines of a file, counted: the csv module leaves out those that it refuses. A row may have many, but
    no more than fits into memory."""

    def __init__(self, file: TextIO) -> None:
        self.number = 0
        self._file = file
        self._left = _ROW_CHARACTERS

    def begin_row(self) -> None:
        """Says that the next line is the first of a row."""
        self._left = _ROW_CHARACTERS

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(self._left + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._left -= len(line)
        if self._left < 0:
            message = (
                f"Line {self.number} of the manifest ends a row of more than {_ROW_CHARACTERS} characters."
            )
            raise SoutuError(Reason.SOURCE_TOO_LARGE, message)
        return line


def _csv_rows(reader: "csv.DictReader[str]", lines: _Lines) -> Iterator[Row]:
    while True:
        lines.begin_row()
        try:
            cells: Mapping[Any, object] = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(lines.number, {}, f"The row cannot be read: {error}.")
            continue
        except OSError as error:
            raise _unreadable() from error
        fault = "The row has more cells than the header." if None in cells else ""
        yield Row(lines.number, cells, fault)


@contextmanager
def _parquet(path: Path) -> Iterator[Table]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        message = "Parquet needs pyarrow: install soutu[tables], or give a CSV file."
        raise SoutuError(Reason.FEATURE_UNIMPLEMENTED, message, field="source.manifest.path") from error
    try:
        with parquet.ParquetFile(path) as file:
            yield Table(list(file.schema_arrow.names), _parquet_rows(file))
    except (pyarrow.ArrowException, OSError) as error:
        raise _unreadable() from error


def _parquet_rows(file: Any) -> Iterator[Row]:
    number = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
        for cells in batch.to_pylist():
            number += 1
            yield Row(number, cells)


def _unreadable() -> SoutuError:
    return SoutuError(Reason.SOURCE_NOT_FOUND, "The manifest cannot be read as CSV or Parquet.")
