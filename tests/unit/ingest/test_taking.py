"""Files taken up a few at a time: one look-up for all, each file's own failure, no bytes held twice."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest

from soutu.domain.collection import Head
from soutu.domain.embedding import Vector
from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Keeping
from soutu.domain.model import ModelRef
from soutu.imaging.pool import DecodePool
from soutu.ingest.directory import DirectorySource
from soutu.ingest.reading import Reader
from soutu.ingest.site import Site
from soutu.ingest.specs import DirectorySpec
from soutu.ingest.taking import Handful, Wanted, handfuls
from soutu.ports import Embedder, ImageCatalog, ModelStore
from tests.unit.ingest.fakes import COLLECTION, MODEL, generation, vector

LIMIT_BYTES = 1_000
MIB = 1024 * 1024


class Held:
    """A catalogue that has the embedding of one content, is away at first where asked to, and counts."""

    def __init__(self, content: bytes, *, away: int = 0) -> None:
        self.asked: list[Sequence[str]] = []
        self._vectors = {sha256(content).hexdigest(): vector(1)}
        self._away = away

    async def embeddings(self, model: ModelRef, hashes: Sequence[str]) -> dict[str, Vector]:
        assert model == MODEL
        self.asked.append(hashes)
        if len(self.asked) <= self._away:
            raise SoutuError(Reason.CATALOG_UNAVAILABLE)
        return {each: self._vectors[each] for each in hashes if each in self._vectors}


def site(directory: Path) -> Site:
    source = DirectorySource(DirectorySpec(directory))
    head = Head(COLLECTION, generation())
    return Site(head, source, Keeping.REFERENCED, frozenset({MODEL}), 0)


def handful(directory: Path, catalog: Held) -> tuple[Handful, list[Wanted]]:
    place = site(directory)
    wanted = [Wanted(item, item.path, LIMIT_BYTES) for item in place.source.listing().items]
    reader = Reader(
        cast(DecodePool, None), cast(ModelStore, None), cast(Embedder, None), cast(ImageCatalog, catalog)
    )
    return Handful(wanted, place, reader, asyncio.Lock()), wanted


async def test_a_few_files_are_looked_up_at_once(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"%d" % number)
    catalog = Held(b"1")
    taking, wanted = handful(tmp_path, catalog)
    taken = await asyncio.gather(*(taking.take(each.item) for each in wanted))
    assert [each.picture.content for each in taken] == [b"0", b"1", b"2"]
    assert [bool(each.known.embeddings) for each in taken] == [False, True, False]
    assert catalog.asked == [[sha256(b"%d" % number).hexdigest() for number in range(3)]]


async def test_a_file_that_cannot_be_read_fails_alone(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"small")
    (tmp_path / "b.jpg").write_bytes(bytes(LIMIT_BYTES + 1))
    taking, (small, large) = handful(tmp_path, Held(b""))
    with pytest.raises(SoutuError) as failure:
        await taking.take(large.item)
    assert failure.value.reason is Reason.IMAGE_TOO_LARGE
    assert (await taking.take(small.item)).picture.content == b"small"


async def test_a_catalogue_that_is_away_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soutu.ingest.patience._PAUSE_S", 0.001)
    (tmp_path / "a.jpg").write_bytes(b"1")
    catalog = Held(b"1", away=2)
    taking, (only,) = handful(tmp_path, catalog)
    assert MODEL in (await taking.take(only.item)).known.embeddings
    assert len(catalog.asked) == 3


async def test_who_gives_up_takes_nothing_away_from_the_others(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jpg").write_bytes(name.encode())
    taking, (first, second) = handful(tmp_path, Held(b""))
    impatient = asyncio.create_task(taking.take(first.item))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await taking.take(second.item)).picture.content == b"b"


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([1] * 20, [8, 8, 4], id="small ones"),
        pytest.param([3 * MIB, 3 * MIB, 1, 9 * MIB], [1, 2, 1], id="large ones"),
    ],
)
def test_handfuls_are_small(tmp_path: Path, sizes: Sequence[int], counts: Sequence[int]) -> None:
    for number, size_bytes in enumerate(sizes):
        with (tmp_path / f"{number:02}.jpg").open("wb") as file:
            file.truncate(size_bytes)
    items = site(tmp_path).source.listing().items
    wanted = [Wanted(item, item.path, LIMIT_BYTES) for item in items]
    split = list(handfuls(wanted))
    assert [len(some) for some in split] == counts
    assert [each for some in split for each in some] == wanted
