"""What an import believes of an export."""

import hashlib
import os
from collections.abc import Collection as Some
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np

from soutu.collections.intake import Intake, Target
from soutu.domain.collection import AttributeType, Collection
from soutu.domain.exchange import Exported, ExportFormat, ExportHeader
from soutu.domain.image import Content, Image, Keeping, Metadata, Original
from soutu.domain.model import ModelRef
from soutu.domain.writing import Failure, Put
from soutu.ingest.reading import Reading

PICTURE = b"the picture"
SHA256 = hashlib.sha256(PICTURE).hexdigest()
MODEL, OTHER = ModelRef("m", "1"), ModelRef("n", "1")
LIMIT_BYTES = 1_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = ExportHeader(ExportFormat.PARQUET, "c", {}, MODEL, 3)
VECTOR = np.array([0, 3, 4], np.float32)


@dataclass
class Export:
    """An export with these originals."""

    originals: dict[str, bytes] = field(default_factory=dict)
    header: ExportHeader = HEADER

    def original(self, sha256: str, limit_bytes: int) -> bytes | None:
        return self.originals.get(sha256)


class Reads:
    """A Reader that answers with one vector for every model."""

    async def read(self, picture: bytes, models: Some[ModelRef]) -> Reading:
        return Reading(image().content, {model: np.array([1, 0, 0], np.float32) for model in models})


class Stores:
    """A Storing that remembers."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []

    async def store(self, content: Content, picture: bytes) -> None:
        self.stored.append(picture)


def image(**fields: Any) -> Image:
    content = Content(SHA256, len(PICTURE), 3, 4, "image/png")
    whole = Image(0, 0, "a", 0, content, Original(Keeping.STORED), Metadata("T"), NOW, NOW)
    return replace(whole, **fields)


def target(*models: ModelRef) -> Target:
    kinds = {"year": AttributeType.INTEGER}
    collection = Collection(1, "c", "", "", kinds, 0, 1, 0, NOW, NOW)
    return collection, frozenset(models or (MODEL,)), 5


async def taken(
    export: Export, each: Exported, where: Target, roots: tuple[Path, ...] = ()
) -> tuple[Put | Failure, list[bytes]]:
    stores = Stores()
    intake = Intake(cast(Any, Reads()), cast(Any, stores), roots, LIMIT_BYTES)
    return (await intake.puts(export, [each], where))[0], stores.stored


async def put_of(export: Export, each: Exported, where: Target, roots: tuple[Path, ...] = ()) -> Put:
    result, _ = await taken(export, each, where, roots)
    assert isinstance(result, Put), result
    return result


async def test_an_original_is_stored_and_the_vector_made_a_unit(tmp_path: Path) -> None:
    export = Export({SHA256: PICTURE})
    result, stored = await taken(export, Exported(image(), VECTOR), target())
    assert isinstance(result, Put)
    assert (stored, result.original.keeping, result.held, result.started_at) == ([PICTURE], "stored", True, 5)
    assert np.allclose(result.embeddings[MODEL], [0, 0.6, 0.8], atol=1e-3)


async def test_another_model_is_run_on_the_original() -> None:
    both = await put_of(Export({SHA256: PICTURE}), Exported(image(), VECTOR), target(MODEL, OTHER))
    assert set(both.embeddings) == {MODEL, OTHER}
    failed, _ = await taken(Export(), Exported(image(), VECTOR), target(OTHER))
    assert isinstance(failed, Failure)
    assert failed.reason == "ORIGINAL_GONE"


async def test_only_files_below_the_build_roots_are_referred_to(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for place in ("in/a.png", "out.png"):
        (tmp_path / place).write_bytes(PICTURE)
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "out.png")
    (tmp_path / "in" / "other.png").write_bytes(PICTURE[::-1])
    kept = {}
    for place in ("in/a.png", "out.png", "in/link.png", "in/other.png", "in/none.png"):
        original = Original(Keeping.REFERENCED, str(tmp_path / place), 7)
        each = Exported(image(original=original), VECTOR)
        kept[place] = (await put_of(Export(), each, target(), (tmp_path / "in",))).original.path
    assert kept.pop("in/a.png") == str(tmp_path / "in/a.png")
    assert set(kept.values()) == {""}


async def test_a_file_that_is_no_picture_is_not_even_read(tmp_path: Path) -> None:
    huge = b"x" * (LIMIT_BYTES + 1)
    (tmp_path / "huge").write_bytes(huge)
    content = Content(hashlib.sha256(huge).hexdigest(), len(huge), 3, 4, "image/png")
    original = Original(Keeping.REFERENCED, str(tmp_path / "huge"), 7)
    put = await put_of(
        Export(), Exported(image(content=content, original=original), VECTOR), target(), (tmp_path,)
    )
    assert put.original.path == ""
    os.mkfifo(tmp_path / "pipe")
    original = Original(Keeping.REFERENCED, str(tmp_path / "pipe"), 7)
    put = await put_of(Export(), Exported(image(original=original), VECTOR), target(), (tmp_path,))
    assert put.original.path == ""


async def test_what_the_contract_does_not_allow_is_a_failure() -> None:
    bad = {
        "id": image(id="No Such Id"),
        "title": image(metadata=Metadata("x" * 513)),
        "rating": image(metadata=Metadata(rating=6)),
        "unknown attribute": image(metadata=Metadata(attributes={"month": 1})),
        "type of attribute": image(metadata=Metadata(attributes={"year": "soon"})),
        "hash": image(content=replace(image().content, sha256="../../etc/passwd")),
        "media type": image(content=replace(image().content, media_type="text/html")),
        "size": image(content=replace(image().content, width=0)),
    }
    for what, each in bad.items():
        result, _ = await taken(Export({SHA256: PICTURE}), Exported(each, VECTOR), target())
        assert isinstance(result, Failure), what
        assert result.reason == "FIELD_INVALID", what
    for vector in (np.zeros(3, np.float32), np.array([np.inf, 0, 0], np.float32), np.ones(4, np.float32)):
        result, _ = await taken(Export({SHA256: PICTURE}), Exported(image(), vector), target())
        assert isinstance(result, Failure)
        assert result.reason == "VECTOR_INVALID"
    result, _ = await taken(Export({SHA256: b"other"}), Exported(image(), VECTOR), target())
    assert isinstance(result, Failure)
    assert result.reason == "CONTENT_LOST"
