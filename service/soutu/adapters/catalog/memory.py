"""Rows remembered in this process, where no other writes to the database."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from soutu.domain.image import Image


class RowMemory:
    """The images read last, up to `limit` of them, by uid.

    Whoever changes or deletes images says so by `forget` once that is committed. What was read meanwhile may
    be from before, and is not kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._images: OrderedDict[int, Image] = OrderedDict()
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
            if uid not in reading.spoiled and (held is None or held.revision <= image.revision):
                self._images[uid] = image
                self._images.move_to_end(uid)
        while len(self._images) > self._limit:
            self._images.popitem(last=False)


class _Reading:
    """One read under way: what it found, and what has changed since it began."""

    def __init__(self) -> None:
        self.rows: Mapping[int, Image] = {}
        self.spoiled: set[int] = set()
        self.useless = False
