"""A catalogue that remembers rows reads them ahead: the newest ones, of living collections only."""

from pathlib import Path

import pytest

from soutu.adapters.catalog import SqlCatalog
from soutu.domain.writing import Remove
from tests.contract.catalog_fixtures import DRAFT, MovableClock, image_written, put, url_of

PUT = 600


async def warmed(directory: Path, remembered: int) -> set[str]:
    """The ids that are known without a read, of i0 to i599, of which the last one has been deleted."""
    catalog = await SqlCatalog.open(url_of(directory), MovableClock(), remembered=remembered)
    pictures = await catalog.create_collection(DRAFT)
    commit = await catalog.commit(pictures.uid, [put(f"i{number}") for number in range(PUT)])
    images = [image_written(commit, place) for place in range(PUT)]
    await catalog.commit(pictures.uid, [Remove(f"i{PUT - 1}")])
    await catalog.warm()
    memory = catalog._database.memory
    assert memory is not None
    known = memory.known(pictures.uid, [image.uid for image in images])
    await catalog.close()
    assert all(known[image.uid] == image for image in images if image.uid in known)
    return {image.id for image in known.values()}


@pytest.mark.parametrize("remembered", [0, 300, 10_000])
async def test_the_newest_rows_are_known_before_anyone_asks(tmp_path: Path, remembered: int) -> None:
    known = await warmed(tmp_path, remembered)
    assert known == {f"i{number}" for number in range(PUT - 1)[::-1][:remembered]}
