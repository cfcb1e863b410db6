"""No pictures by address."""

from soutu.domain.errors import Reason, SoutuError


class FetchesNothing:
    """Keeps ports.Fetcher where no host is allowed, without loading a library for it."""

    async def fetch(self, uri: str) -> bytes:
        """URI_DISABLED, whatever the address."""
        raise SoutuError(Reason.URI_DISABLED)

    async def close(self) -> None:
        """Nothing is open."""
