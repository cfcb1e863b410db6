"""Exports written and read again, and what is said of those that cannot be."""

import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from soutu.adapters.exports import ExportFolders, library
from soutu.domain.collection import AttributeType
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.exchange import Exported, ExportFormat, ExportHeader
from soutu.domain.image import AttributeValue, Content, Exif, Image, Keeping, Metadata, Origin, Original
from soutu.domain.model import ModelRef

MOMENT = datetime(2024, 5, 6, 7, 8, 9, 123_456, tzinfo=UTC)
ATTRIBUTES = {
    "name": AttributeType.STRING,
    "count": AttributeType.INTEGER,
    "weight": AttributeType.NUMBER,
    "good": AttributeType.BOOLEAN,
    "when": AttributeType.TIMESTAMP,
    "who": AttributeType.STRINGS,
}
VALUES: dict[str, AttributeValue] = {
    "name": "山",
    "count": -(2**60),
    "weight": 0.1,
    "good": False,
    "when": MOMENT,
    "who": ("a", "b"),
}
FORMATS = list(ExportFormat)


def header(kind: ExportFormat) -> ExportHeader:
    return ExportHeader(kind, "c", ATTRIBUTES, ModelRef("m", "1"), 3)


def image(number: int) -> Image:
    full = number % 2 == 0
    return Image(
        uid=0,
        collection_uid=0,
        id=f"i{number:04}",
        revision=0,
        content=Content(
            f"{number:064x}", 1 + number, 3, 4, "image/png", Exif("C", "L", MOMENT) if full else Exif()
        ),
        original=Original(Keeping.REFERENCED, f"/p/{number}", 2**62) if full else Original(Keeping.STORED),
        metadata=Metadata("T", ("x", "y"), "u", "k", 3, VALUES) if full else Metadata(),
        create_time=MOMENT,
        update_time=MOMENT,
        origin=Origin("/p", str(number)) if full else None,
    )


def rows(count: int) -> list[Exported]:
    return [
        Exported(image(number), None if number == 3 else np.full(3, number, np.float32))
        for number in range(count)
    ]


def written(path: Path, kind: ExportFormat, count: int = 10) -> Path:
    export = ExportFolders().write(path, header(kind))
    everything = rows(count)
    for start in range(0, count, 4):
        export.write(everything[start : start + 4])
    export.keep("ab" * 32, b"bytes")
    assert not path.exists()
    assert export.finish() == sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path


@pytest.mark.parametrize("kind", FORMATS)
def test_what_was_written_is_read_from_any_row(tmp_path: Path, kind: ExportFormat) -> None:
    export = ExportFolders().read(written(tmp_path / "e", kind))
    assert (export.header, export.total) == (header(kind), 10)
    for start in (0, 3, 4, 7):
        read = [each for row in range(start, 10, 100) for each in export.read(row, 100)]
        assert read
        expected = rows(10)[start : start + len(read)]
        assert [each.image for each in read] == [each.image for each in expected]
        for got, want in zip(read, expected, strict=True):
            if want.vector is None or got.vector is None:
                assert got.vector is want.vector
            else:
                assert np.array_equal(got.vector, want.vector)
    assert export.read(10, 5) == []
    assert export.original("ab" * 32, 9) == b"bytes"
    assert export.original("../../secret", 9) is None
    export.close()


def test_hdf5_is_what_other_programs_expect(tmp_path: Path) -> None:
    import h5py

    with h5py.File(written(tmp_path / "e", ExportFormat.HDF5) / "features.h5") as file:
        assert (file["features"].dtype, file["features"].shape) == (np.float32, (10, 3))
        assert file["paths"][0].decode() == "/p/0"
        assert file["ids"][1].decode() == "i0001"


def test_parquet_has_a_typed_column_for_each_attribute(tmp_path: Path) -> None:
    from pyarrow import parquet

    path = written(tmp_path / "e", ExportFormat.PARQUET)
    schema = parquet.read_schema(path / "images.parquet")
    assert str(schema.field("attributes.count").type) == "int64"
    assert str(schema.field("attributes.when").type) == "timestamp[us, tz=UTC]"
    assert parquet.ParquetFile(path / "embeddings.parquet").num_row_groups == 3


def test_an_export_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    export = ExportFolders().write(tmp_path / "e", header(ExportFormat.PARQUET))
    export.write(rows(2))
    export.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_what_is_damaged_is_refused(tmp_path: Path, kind: ExportFormat, damage: str) -> None:
    path = written(tmp_path / "e", kind)
    for file in [*path.glob("*.parquet"), *path.glob("*.h5")]:
        if damage == "missing":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(SoutuError) as failure:
        ExportFolders().read(path)
    assert failure.value.reason is Reason.SOURCE_NOT_FOUND


def test_images_and_embeddings_must_be_of_the_same_export(tmp_path: Path) -> None:
    path = written(tmp_path / "e", ExportFormat.PARQUET)
    other = tmp_path / "o"
    export = ExportFolders().write(other, header(ExportFormat.PARQUET))
    export.write([replace(each, image=replace(each.image, id="x" + each.image.id)) for each in rows(10)])
    export.finish()
    (other / "embeddings.parquet").replace(path / "embeddings.parquet")
    with pytest.raises(SoutuError) as failure:
        ExportFolders().read(path).read(0, 5)
    assert failure.value.reason is Reason.SOURCE_NOT_FOUND


def test_a_library_that_is_not_installed_is_named() -> None:
    with pytest.raises(SoutuError) as failure:
        library.library("no_such_library_at_all")
    assert failure.value.reason is Reason.FEATURE_UNIMPLEMENTED
    assert "pip install 'soutu[tables]'" in failure.value.message


@pytest.mark.parametrize("kind", FORMATS)
def test_without_its_library_a_format_is_refused_at_once(
    tmp_path: Path, kind: ExportFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow.parquet", "h5py"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SoutuError) as failure:
        ExportFolders().check(tmp_path / "e", kind)
    assert failure.value.reason is Reason.FEATURE_UNIMPLEMENTED
    assert not (tmp_path / "e").exists()


def test_an_original_is_a_regular_file_within_the_limit(tmp_path: Path) -> None:
    export = ExportFolders().write(tmp_path / "e", header(ExportFormat.PARQUET))
    export.write(rows(1))
    export.keep("a" * 64, b"12345")
    export.finish()
    os.mkfifo(tmp_path / "e" / "originals" / "aa" / f"{'a' * 63}b")
    read = ExportFolders().read(tmp_path / "e")
    assert read.original("a" * 64, 5) == b"12345"
    assert read.original("a" * 64, 4) is None
    assert read.original(f"{'a' * 63}b", 5) is None
    read.close()
