"""Pictures that a query names by address are fetched before it takes its turn: nobody else waits for them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from soutu.domain.errors import SoutuError
from soutu.domain.query import ImageUri, Subject
from soutu.ports import Fetcher


class Fetches:
    """Fetches the pictures of queries."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    async def fetched(self, subjects: Sequence[Subject], names: Sequence[str]) -> list[Subject]:
        """The subjects, in order, those by address with their bytes; an error tells in `field` which of
        `names` it is about."""
        if not any(isinstance(subject, ImageUri) for subject in subjects):
            return list(subjects)
        pairs = zip(subjects, names, strict=True)
        return await asyncio.gather(*(self._one(subject, name) for subject, name in pairs))

    async def _one(self, subject: Subject, name: str) -> Subject:
        if not isinstance(subject, ImageUri):
            return subject
        try:
            return replace(subject, data=await self._fetcher.fetch(subject.uri))
        except SoutuError as error:
            raise SoutuError(error.reason, error.message, **{**error.metadata, "field": name}) from error
