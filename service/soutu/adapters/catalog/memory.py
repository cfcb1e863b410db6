"""Rows remembered in this process."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from soutu.domain.image import Image


class AsOf(NamedTuple):
    """The revision of a collection, and when it was asked for."""

    revision: int
    asked_time: datetime


class RowMemory:
    """The images read last, up to `limit` of them, by uid.

    Whoever changes or deletes images says so by `forget` once that is committed. What was read meanwhile may
    be from before, and is not kept. Where other processes write as well, `as_of` says for each collection at
    which revision its rows are as they are remembered, each then or later: it `begins` without any, and is
    told by `catch_up` what has changed since.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._images: OrderedDict[int, Image] = OrderedDict()
        self._as_of: dict[int, AsOf] = {}
        self._readings: list[_Reading] = []

    @property
    def room(self) -> int:
        """How many more could be remembered without forgetting."""
        return self._limit - len(self._images)

    def known(self, collection_uid: int, uids: Iterable[int]) -> dict[int, Image]:
        """Those of the images that are remembered and belong to the collection."""
        images = self._images
        return {
            uid: image
            for uid in uids
            if (image := images.get(uid)) is not None and image.collection_uid == collection_uid
        }

    @contextmanager
    def reading(self) -> Iterator["_Reading"]:
        """Surrounds a read of the database, whose rows may then be kept."""
        reading = _Reading()
        self._readings.append(reading)
        try:
            yield reading
        finally:
            self._readings.remove(reading)
            self._keep(reading)

    def forget(self, uids: Iterable[int]) -> None:
        """These images have changed or gone."""
        for uid in uids:
            self._images.pop(uid, None)
            for reading in self._readings:
                reading.spoiled.add(uid)

    def as_of(self, collection_uid: int) -> AsOf | None:
        """Of when the collection's rows are; None where that is not known."""
        return self._as_of.get(collection_uid)

    def begin(self, collection_uid: int, now: AsOf) -> None:
        """Any image of this collection may have changed or gone until now."""
        self.forget([uid for uid, image in self._images.items() if image.collection_uid == collection_uid])
        for reading in self._readings:
            reading.spoiled_collections.add(collection_uid)
        self._as_of[collection_uid] = now

    def catch_up(self, collection_uid: int, changed: Iterable[int], now: AsOf) -> None:
        """These images, and no others, have changed or gone since the revision that the rows were as of when
        that was asked, until now. The collection has begun."""
        self.forget(changed)
        self._as_of[collection_uid] = max(now, self._as_of[collection_uid])

    def clear(self) -> None:
        """Any image may have changed or gone."""
        self._images.clear()
        for reading in self._readings:
            reading.useless = True

    def _keep(self, reading: "_Reading") -> None:
        if reading.useless:
            return
        for uid, image in reading.rows.items():
            held = self._images.get(uid)
            if not reading.spoils(image) and (held is None or held.revision <= image.revision):
                self._images[uid] = image
                self._images.move_to_end(uid)
        while len(self._images) > self._limit:
            self._images.popitem(last=False)


class _Reading:
    """One read under way: what it found, and what has changed since it began."""

    def __init__(self) -> None:
        self.rows: Mapping[int, Image] = {}
        self.spoiled: set[int] = set()
        self.spoiled_collections: set[int] = set()
        self.useless = False

    def spoils(self, image: Image) -> bool:
        """Whether this row may be from before a change."""
        return image.uid in self.spoiled or image.collection_uid in self.spoiled_collections
