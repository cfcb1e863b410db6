"""Rows remembered in this process."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from soutu.domain.image import Image


class RowMemory:
    """The images read last, up to `limit` of them, by uid.

    Whoever changes or deletes images says so by `forget` once that is committed. What was read meanwhile may
    be from before, and is not kept. Where other processes write as well, a row is only known to be as it was
    at the revision of its collection at which it was confirmed last, or later.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._images: OrderedDict[int, Image] = OrderedDict()
        self._confirmed: dict[int, int] = {}
        self._settled: set[int] = set()
        self._readings: list[_Reading] = []

    @property
    def room(self) -> int:
        """How many more could be remembered without forgetting."""
        return self._limit - len(self._images)

    def known(self, collection_uid: int, uids: Iterable[int], revision: int = 0) -> dict[int, Image]:
        """Those of the images that are remembered and belong to the collection, as they were at this revision
        of it or later."""
        images, confirmed = self._images, self._confirmed
        return {
            uid: image
            for uid in uids
            if (image := images.get(uid)) is not None
            and image.collection_uid == collection_uid
            and confirmed.get(uid, 0) >= revision
        }

    def confirm(self, images: Iterable[Image], revision: int) -> None:
        """These images were so at this revision of their collection."""
        for image in images:
            held = self._images.get(image.uid)
            if held is not None and held.revision >= image.revision:
                self._confirmed[image.uid] = max(revision, self._confirmed.get(image.uid, 0))

    def settle(self, collection_uid: int, *, settled: bool) -> None:
        """Whether the images that were asked for last were all known as they were then."""
        if settled:
            self._settled.add(collection_uid)
        else:
            self._settled.discard(collection_uid)

    def is_settled(self, collection_uid: int) -> bool:
        """Whether those that are asked for next probably are, too."""
        return collection_uid in self._settled

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
            self._drop(uid)
            for reading in self._readings:
                reading.spoiled.add(uid)

    def clear(self) -> None:
        """Any image may have changed or gone."""
        self._images.clear()
        self._confirmed.clear()
        self._settled.clear()
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
            self._drop(next(iter(self._images)))

    def _drop(self, uid: int) -> None:
        self._images.pop(uid, None)
        self._confirmed.pop(uid, None)


class _Reading:
    """One read under way: what it found, and what has changed since it began."""

    def __init__(self) -> None:
        self.rows: Mapping[int, Image] = {}
        self.spoiled: set[int] = set()
        self.useless = False
