"""Completing embeddings: once per content, stored, and a reason for each that cannot be made."""

from collections.abc import Collection
from dataclasses import replace
from typing import cast

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Image
from soutu.domain.model import ModelRef
from soutu.domain.writing import Failure
from soutu.ingest.completion import Completion
from soutu.ingest.reading import Reader, Reading
from soutu.ports import ImageCatalog
from tests.unit.ingest.fakes import MODEL, ListCatalog, content, image, vector


class Files:
    """Originals and Reader in one: the bytes of an image are its id; some cannot be read."""

    def __init__(self, **failing: Reason) -> None:
        self.failing = failing
        self.read_ids: list[str] = []

    async def read(self, image: Image) -> bytes:
        self.read_ids.append(image.id)
        if image.id in self.failing:
            raise SoutuError(self.failing[image.id])
        return image.id.encode()


class Eyes:
    async def read(self, picture: bytes, models: Collection[ModelRef]) -> Reading:
        return Reading(content(picture.decode()), {model: vector(int(picture[1:])) for model in models})


def completion(catalog: ListCatalog, files: Files) -> Completion:
    return Completion(cast(ImageCatalog, catalog), files, cast(Reader, Eyes()), 2)


async def test_each_content_is_embedded_once_and_stored() -> None:
    catalog, files = ListCatalog(), Files()
    twin = replace(image(2, 2), content=image(1, 1).content)
    vectors, failures = await completion(catalog, files).complete(MODEL, [image(1, 1), twin, image(3, 3)])
    assert len(files.read_ids) == 2
    assert set(vectors) == {image(1, 1).content.sha256, image(3, 3).content.sha256}
    assert catalog.stored.keys() == vectors.keys()
    assert failures == []


async def test_what_cannot_be_read_is_a_failure_with_its_reason() -> None:
    catalog = ListCatalog()
    files = Files(i1=Reason.ORIGINAL_GONE, i2=Reason.CONTENT_LOST)
    vectors, failures = await completion(catalog, files).complete(MODEL, [image(n, n) for n in (1, 2, 3)])
    assert list(vectors) == [image(3, 3).content.sha256]
    assert [failure.reason for failure in failures] == ["ORIGINAL_GONE", "CONTENT_LOST"]
    assert all(isinstance(failure, Failure) for failure in failures)


async def test_a_fault_of_the_service_says_nothing_about_the_picture() -> None:
    catalog, files = ListCatalog(), Files(i2=Reason.OBJECTS_UNAVAILABLE)
    with pytest.raises(SoutuError) as fault:
        await completion(catalog, files).complete(MODEL, [image(1, 1), image(2, 2)])
    assert fault.value.reason is Reason.OBJECTS_UNAVAILABLE
