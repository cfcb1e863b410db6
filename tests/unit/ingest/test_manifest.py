"""Manifests: what their rows say, and what is wrong with them, row by row."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from soutu.domain.collection import AttributeType
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Metadata
from soutu.ingest.manifest import ManifestSource
from soutu.ingest.sources import Item
from soutu.ingest.specs import ManifestSpec

SCHEMA = {
    "stars": AttributeType.INTEGER,
    "when": AttributeType.TIMESTAMP,
    "weight": AttributeType.NUMBER,
    "sold": AttributeType.BOOLEAN,
    "colours": AttributeType.STRINGS,
    "place": AttributeType.STRING,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("a.jpg", "b.jpg", "below/c.jpg", "lists/d.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    return root


def source(root: Path, text: str | bytes, name: str = "list.csv", **spec: object) -> ManifestSource:
    path = root / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return ManifestSource(ManifestSpec(path, **spec), [root], SCHEMA)  # type: ignore[arg-type]


def items(source: ManifestSource) -> list[Item]:
    return [item for item in source.listing().items if not item.failure]


def failures(source: ManifestSource) -> list[tuple[str, str, str]]:
    found = [item.failure for item in source.listing().items if item.failure]
    return [(each.subject, each.reason, each.message.split(":")[0]) for each in found]


def test_rows_are_items_in_their_order(root: Path) -> None:
    manifest = source(root, "path\nb.jpg\n./a.jpg\nbelow/../below/c.jpg\n")
    found = items(manifest)
    assert [item.place for item in found] == [(2, "b.jpg"), (3, "a.jpg"), (4, "below/c.jpg")]
    picture = manifest.read(found[2], 100)
    assert (picture.content, picture.path) == (b"below/c.jpg", str(root / "below/c.jpg"))
    assert found[0].size_bytes == 5


def test_paths_are_relative_to_the_manifest(root: Path) -> None:
    manifest = source(root, f"path\nd.jpg\n../a.jpg\n{root}/b.jpg\n", "lists/list.csv")
    assert [manifest.read(item, 99).content for item in items(manifest)] == [
        b"lists/d.jpg",
        b"a.jpg",
        b"b.jpg",
    ]


def test_what_is_said_of_an_image_is_typed(root: Path) -> None:
    header = "path,image_id,title,tags,rating,category,source_uri," + ",".join(
        f"attributes.{name}" for name in SCHEMA
    )
    row = (
        'a.jpg,first,A title,"sea; sun;sea",4,Travel,https://x.y/z,5,2020-02-03T04:05:06Z,1.5,yes,red;blue,K'
    )
    (item,) = items(source(root, f"\ufeff{header}\n{row}\n"))
    assert item.said.image_id == "first"
    assert item.said.over(Metadata()) == Metadata(
        title="A title",
        tags=("sea", "sun"),
        source_uri="https://x.y/z",
        category="Travel",
        rating=4,
        attributes={
            "stars": 5,
            "when": datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC),
            "weight": 1.5,
            "sold": True,
            "colours": ("red", "blue"),
            "place": "K",
        },
    )


def test_an_empty_cell_says_nothing(root: Path) -> None:
    (item,) = items(source(root, "path,title,rating,attributes.stars\na.jpg,,,\n"))
    kept = Metadata(title="kept", rating=3, attributes={"stars": 2})
    assert item.said.over(kept) == kept


BAD_ROWS = {
    ",t,,": "FIELD_INVALID",
    "missing.jpg,t,,": "ORIGINAL_GONE",
    "below,t,,": "ORIGINAL_GONE",
    "../outside.jpg,t,,": "SOURCE_NOT_ALLOWED",
    "/etc/passwd,t,,": "SOURCE_NOT_ALLOWED",
    "link.jpg,t,,": "SOURCE_NOT_ALLOWED",
    "a.jpg,t,9,": "FIELD_INVALID",
    "a.jpg,t,many,": "FIELD_INVALID",
    "a.jpg,t,,2.5": "FIELD_INVALID",
    "a.jpg,t,,99999999999999999999": "FIELD_INVALID",
    f"a.jpg,{'t' * 513},,": "FIELD_INVALID",
    "a.jpg,t,,,more": "FIELD_INVALID",
    "a.jpg,\0,,": "FIELD_INVALID",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_bad_row_is_a_failure_with_its_number(root: Path, row: str) -> None:
    (root / "link.jpg").symlink_to(root.parent / "outside.jpg")
    manifest = source(root, f"path,title,rating,attributes.stars\nb.jpg,t,,\n{row}\nbelow/c.jpg,t,,\n")
    name = row.split(",")[0] or "row 3"
    assert failures(manifest) == [(name, BAD_ROWS[row], "Row 3")]
    assert [item.path for item in items(manifest)] == ["b.jpg", "below/c.jpg"]


def test_a_path_may_come_once(root: Path) -> None:
    manifest = source(root, "path,title\na.jpg,one\n./a.jpg,two\n")
    assert failures(manifest) == [("./a.jpg", "FIELD_INVALID", "Row 3")]
    assert [item.said.over(Metadata()).title for item in items(manifest)] == ["one"]


def test_bytes_that_are_no_text_fail_by_themselves(root: Path) -> None:
    manifest = source(root, b"path,title\na.jpg,caf\xe9\n\xff.jpg,x\nb.jpg,y\n")
    assert [each[0] for each in failures(manifest)] == ["a.jpg", "\ufffd.jpg"]
    assert [item.path for item in items(manifest)] == ["b.jpg"]


def test_a_giant_cell_fails_by_itself(root: Path) -> None:
    manifest = source(root, f"path,title\na.jpg,{'x' * 200_000}\nb.jpg,y\n")
    assert [each[1:] for each in failures(manifest)] == [("FIELD_INVALID", "Row 2")]
    assert [item.path for item in items(manifest)] == ["b.jpg"]


def test_columns_may_be_named(root: Path) -> None:
    columns = {"title": "headline", "attributes.stars": "n"}
    manifest = source(root, "file,headline,n,title\na.jpg,H,3,T\n", path_column="file", columns=columns)
    (item,) = items(manifest)
    assert item.said.over(Metadata()) == Metadata(title="H", attributes={"stars": 3})


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("file\na.jpg\n", {}),
        ("", {}),
        ("path\na.jpg\n", {"title": "headline"}),
        ("path,x\na.jpg,1\n", {"width": "x"}),
        ("path,x\na.jpg,1\n", {"stars": "x"}),
        ("path,attributes.unknown\na.jpg,1\n", {}),
    ],
)
def test_columns_that_cannot_be_are_an_error(root: Path, text: str, columns: Mapping[str, str]) -> None:
    with pytest.raises(SoutuError) as failure:
        source(root, text, columns=columns).listing()
    assert failure.value.reason is Reason.FIELD_INVALID


def test_parquet_says_the_same_with_types(root: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = {
        "path": ["a.jpg", "missing.jpg", "b.jpg"],
        "tags": [["sea", "sun"], None, []],
        "rating": [5, None, None],
        "attributes.stars": [3.0, math.nan, math.nan],
        "attributes.when": [date(2020, 1, 2), None, None],
        "attributes.sold": [False, None, True],
    }
    parquet.write_table(pyarrow.table(columns), root / "list.parquet")
    manifest = ManifestSource(ManifestSpec(root / "list.parquet"), [root], SCHEMA)
    first, last = items(manifest)
    assert first.said.over(Metadata()) == Metadata(
        tags=("sea", "sun"),
        rating=5,
        attributes={"stars": 3, "when": datetime(2020, 1, 2, tzinfo=UTC), "sold": False},
    )
    assert (last.place, last.said.over(Metadata())) == ((3, "b.jpg"), Metadata(attributes={"sold": True}))
    assert failures(manifest) == [("missing.jpg", "ORIGINAL_GONE", "Row 2")]


@pytest.mark.parametrize("content", [b"", b"path\na.jpg\n", b"PAR1 and then nonsense PAR1"])
def test_what_is_no_parquet_is_refused(root: Path, content: bytes) -> None:
    with pytest.raises(SoutuError) as failure:
        source(root, content, "list.parquet").listing()
    assert failure.value.reason is Reason.SOURCE_NOT_FOUND


def test_without_pyarrow_parquet_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(SoutuError) as failure:
        source(root, b"", "list.parquet").listing()
    assert failure.value.reason is Reason.FEATURE_UNIMPLEMENTED
    assert "soutu[tables]" in failure.value.message


def test_a_manifest_of_any_size_is_read_in_little_memory(root: Path) -> None:
    endless = source(root, "path\n")
    with (root / "list.csv").open("r+b") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(SoutuError, match="more than 1 GiB") as failure:
        endless.listing()
    assert failure.value.reason is Reason.SOURCE_TOO_LARGE
    long_rows = {
        "a line": f"path\n{'x' * 2**20}\n",
        "a header": "x" * (2**20 + 1),
        "a row of many lines": "path\n" + '"a\n",' * 2**18,
    }
    for what, text in long_rows.items():
        with pytest.raises(SoutuError) as failure:
            source(root, text).listing()
        assert failure.value.reason is Reason.SOURCE_TOO_LARGE, what


def test_a_manifest_that_is_closed_is_read_no_further(root: Path) -> None:
    manifest = source(root, "path\na.jpg\nb.jpg\n")
    manifest.close()
    with pytest.raises(SoutuError) as failure:
        manifest.listing()
    assert failure.value.reason is Reason.OPERATION_CANCELLED
