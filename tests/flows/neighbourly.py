"""`python -m tests.flows.neighbourly`: the command line, with a server that fetches from this machine, too.

No setting allows that. Everything else of fetching is as it is in the service.
"""

from typing import Self

from soutu.adapters.fetch import web
from soutu.cli import main


class NeighbourlyFetcher(web.WebFetcher):
    """Takes every address for public."""

    @classmethod
    async def open(cls, terms: web.FetchTerms) -> Self:  # type: ignore[override]
        return await super().open(terms, passes=lambda address: True)


if __name__ == "__main__":
    web.WebFetcher = NeighbourlyFetcher  # type: ignore[misc]
    main()
