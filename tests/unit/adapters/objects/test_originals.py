"""Originals kept by reference are read only as they were when they were indexed."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from soutu.adapters.objects.originals import KeptOriginals
from soutu.adapters.objects.store import ObstoreObjects
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Content, Image, Keeping, Metadata, Original

NOW = datetime(2024, 5, 6, tzinfo=UTC)
PICTURE = b"the bytes of a picture"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "picture.jpg"
    path.write_bytes(PICTURE)
    return path


def image_of(file: Path) -> Image:
    content = Content(hashlib.sha256(PICTURE).hexdigest(), len(PICTURE), 4, 3, "image/jpeg")
    original = Original(Keeping.REFERENCED, str(file), 1)
    return Image(1, 1, "a", 1, content, original, Metadata(), NOW, NOW)


async def read(file: Path) -> bytes:
    originals = KeptOriginals(ObstoreObjects(MemoryStore()))
    return await asyncio.wait_for(originals.read(image_of(file)), 5)


async def refusal(file: Path) -> Reason:
    with pytest.raises(SoutuError) as refused:
        await read(file)
    return refused.value.reason


async def test_the_file_that_was_indexed_is_read(file: Path) -> None:
    assert await read(file) == PICTURE


async def test_another_content_of_the_same_size_is_a_change(file: Path) -> None:
    file.write_bytes(PICTURE[::-1])
    assert await refusal(file) is Reason.ORIGINAL_CHANGED


async def test_a_file_that_went_is_gone(file: Path) -> None:
    file.unlink()
    assert await refusal(file) is Reason.ORIGINAL_GONE


async def test_a_pipe_in_its_place_is_not_waited_for(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)
    assert await refusal(file) is Reason.ORIGINAL_CHANGED


async def test_a_link_in_its_place_is_not_followed(file: Path) -> None:
    twin = file.with_name("twin.jpg")
    file.rename(twin)
    file.symlink_to(twin)
    assert await refusal(file) is Reason.ORIGINAL_GONE
