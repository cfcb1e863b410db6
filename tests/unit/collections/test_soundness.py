"""Whether an index finds what is there."""

from dataclasses import replace
from typing import cast

import pytest

from soutu.collections.soundness import sampled_recall
from soutu.domain.collection import IndexSpec
from soutu.domain.query import Point
from soutu.ports import ImageCatalog
from tests.unit.ingest.fakes import DIMENSION, FragileIndex, ListCatalog, generation, vector

COUNT = 200


async def recall(catalog: ListCatalog, index: FragileIndex, followed: int | None = None) -> float:
    up_to = catalog.revision if followed is None else followed
    return await sampled_recall(cast(ImageCatalog, catalog), index, generation(), up_to)


async def filled(points: range, of: int = COUNT) -> tuple[ListCatalog, FragileIndex]:
    """A catalogue of images 1 to `of`, and an index that holds only some of them."""
    catalog, index = ListCatalog(), FragileIndex()
    for uid in range(1, of + 1):
        catalog.put(uid)
    await index.open(1, DIMENSION, IndexSpec())
    await index.write(1, [Point(uid, uid, vector(uid)) for uid in points], [])
    return catalog, index


async def test_an_index_that_holds_everything_finds_everything() -> None:
    assert await recall(*await filled(range(1, COUNT + 1))) == 1.0


async def test_an_index_that_lacks_half_finds_about_half() -> None:
    assert await recall(*await filled(range(1, COUNT + 1, 2))) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("images", [0, 3])
async def test_few_images_or_none_are_sound(images: int) -> None:
    assert await recall(*await filled(range(1, images + 1), of=images)) == 1.0


async def test_what_has_no_embedding_is_not_missed() -> None:
    catalog, index = await filled(range(1, 21), of=20)
    catalog.put(21, embedded=False)
    assert await recall(catalog, index) == 1.0


async def test_what_was_written_later_is_not_missed() -> None:
    catalog, index = await filled(range(1, 41), of=COUNT)
    assert await recall(catalog, index, followed=40) == 1.0
    assert await recall(catalog, index, followed=0) == 1.0
    assert await recall(catalog, index) < 0.5


async def test_equally_near_images_stand_for_each_other() -> None:
    catalog, index = ListCatalog(), FragileIndex()
    for uid in range(1, 41):
        catalog.put(uid)
        catalog.newest[uid] = replace(catalog.newest[uid], vector=vector(0))
    await index.open(1, DIMENSION, IndexSpec())
    await index.write(1, [Point(uid, uid, vector(0)) for uid in range(40, 0, -1)], [])
    assert await recall(catalog, index) == 1.0
