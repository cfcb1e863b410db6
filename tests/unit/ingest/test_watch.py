"""Watching hands on what has changed once it rests, and waits for what is away."""

import asyncio
from collections.abc import Sequence

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.ingest.sources import Item, Listing
from soutu.ingest.watch import Watch


def listing(*names: str, unread: Sequence[str] = ()) -> Listing:
    """Files by name; "a2" is the file a in its state 2."""
    return Listing([Item((0, name[0]), int(name[1:] or 1), 1) for name in names], tuple(unread))


class Scene:
    """A source that shows a new listing at each look, and a note of what was handed on."""

    def __init__(self, *looks: Listing | Reason, refusals: Sequence[Reason] = ()) -> None:
        self.handed_on: list[list[str]] = []
        self._looks = list(looks)
        self._refusals = list(refusals)

    def look(self) -> Listing:
        if not self._looks:
            raise SoutuError(Reason.INTERNAL)  # ends the watch
        look = self._looks.pop(0)
        if isinstance(look, Reason):
            raise SoutuError(look)
        return look

    async def agree(self, paths: Sequence[str], latest: Listing) -> None:
        if self._refusals:
            raise SoutuError(self._refusals.pop(0))
        self.handed_on.append(list(paths))


async def watched(
    first: Listing, *looks: Listing | Reason, refusals: Sequence[Reason] = ()
) -> list[list[str]]:
    scene = Scene(*looks, refusals=refusals)
    with pytest.raises(SoutuError) as end:
        await Watch(scene.look, scene.agree, pause_s=0).run(first)
    assert end.value.reason is Reason.INTERNAL
    return scene.handed_on


async def test_what_stays_as_it_is_is_not_handed_on() -> None:
    assert await watched(listing("a"), listing("a"), listing("a")) == []


async def test_changes_are_handed_on_when_they_rest() -> None:
    assert await watched(listing("a"), listing("a", "b"), listing("a", "b"), listing("a", "b")) == [["b"]]
    assert await watched(listing("a"), listing("a2"), listing("a3"), listing("a3"), listing("a3")) == [["a"]]
    assert await watched(listing("a", "b"), listing("b"), listing("b"), listing("b")) == [["a"]]


async def test_what_comes_and_goes_is_let_pass() -> None:
    assert await watched(listing("a"), listing("a", "b"), listing("a"), listing("a")) == []
    assert await watched(listing("a", "b"), listing("b"), listing("a", "b"), listing("a", "b")) == []


async def test_a_source_that_is_away_is_waited_for() -> None:
    gone = Reason.SOURCE_NOT_FOUND
    assert await watched(listing("a"), gone, gone, gone, listing("a", "b"), listing("a", "b")) == [["b"]]


async def test_a_source_that_is_empty_all_at_once_is_waited_for() -> None:
    assert await watched(listing("a", "b"), listing(), listing(), listing("a", "b"), listing("a", "b")) == []


async def test_what_cannot_be_looked_at_has_not_vanished() -> None:
    unread = listing("b", unread=["a"])
    assert await watched(listing("a", "b"), unread, unread, listing("a", "b")) == []


async def test_what_the_service_cannot_take_now_comes_again() -> None:
    new = listing("a", "b")
    assert await watched(listing("a"), new, new, new, refusals=[Reason.CATALOG_UNAVAILABLE]) == [["b"]]


async def test_other_errors_end_the_watch() -> None:
    scene = Scene(listing("a", "b"), listing("a", "b"), refusals=[Reason.COLLECTION_NOT_FOUND])
    with pytest.raises(SoutuError) as end:
        await Watch(scene.look, scene.agree, pause_s=0).run(listing("a"))
    assert end.value.reason is Reason.COLLECTION_NOT_FOUND


async def test_it_ends_when_cancelled() -> None:
    watch = Watch(lambda: listing("a"), Scene().agree, pause_s=0.01)
    task = asyncio.create_task(watch.run(listing("a")))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
