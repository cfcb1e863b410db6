"""While the catalogue is away: for a while searches go on with what is known of it, and say so."""

from collections import OrderedDict
from dataclasses import dataclass

from soutu.domain.collection import Head
from soutu.domain.errors import Reason, SoutuError
from soutu.ports import Catalog, Clock

_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """A head, and the error that kept the catalogue from giving it where it is the one that was seen last."""

    head: Head
    error: SoutuError | None = None


class Absence:
    """Bears an absence of the catalogue for up to `longest_s` after it was last heard of."""

    def __init__(self, catalog: Catalog, clock: Clock, longest_s: float) -> None:
        self._catalog = catalog
        self._clock = clock
        self._longest_s = longest_s
        self._heard_at = -longest_s
        self._heads: OrderedDict[tuple[str, str], Head] = OrderedDict()

    async def head(self, collection_id: str, generation_id: str = "", *, recent: bool = False) -> Seen:
        """The head as the catalogue gives it (by `recent_head` if that will do), or as it was seen last;
        errors as of `Catalog.head`."""
        key = (collection_id, generation_id)
        ask = self._catalog.recent_head if recent else self._catalog.head
        try:
            head = await ask(collection_id, generation_id)
        except SoutuError as error:
            if key not in self._heads or not self.bears(error):
                raise
            return Seen(self._heads[key], error)
        self._heads[key] = head
        if len(self._heads) > _REMEMBERED:
            self._heads.popitem(last=False)
        return Seen(head)

    def heard(self) -> None:
        """Says that rows have been read."""
        self._heard_at = self._clock.monotonic()

    def bears(self, error: SoutuError) -> bool:
        """Whether a search goes on without what this error kept from it."""
        away_s = self._clock.monotonic() - self._heard_at
        return error.reason is Reason.CATALOG_UNAVAILABLE and away_s < self._longest_s
