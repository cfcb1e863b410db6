import pytest

from soutu.adapters.fetch.off import FetchesNothing
from soutu.domain.errors import Reason, SoutuError


async def test_nothing_is_fetched() -> None:
    fetcher = FetchesNothing()
    for uri in ("https://example.com/a.jpg", ""):
        with pytest.raises(SoutuError) as refused:
            await fetcher.fetch(uri)
        assert refused.value.reason is Reason.URI_DISABLED
    await fetcher.close()
