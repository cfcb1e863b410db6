"""Which slots go round while others are set aside."""

import asyncio

import pytest

from soutu.imaging.lanes import Lanes, Slot


@pytest.fixture
def lanes() -> Lanes:
    """Two slots, both free."""
    lanes = Lanes(2)
    for slot in list(lanes.slots):
        lanes.give_back(slot)
    return lanes


async def taken(lanes: Lanes) -> list[Slot]:
    """All slots that are free just now."""
    free: list[Slot] = []
    try:
        while True:
            free.append(await asyncio.wait_for(lanes.free(), 0.01))
    except TimeoutError:
        return free


async def set_aside(lanes: Lanes) -> tuple[Slot, Slot]:
    """A slot whose job takes long, and its stand-in, which is still to be given back."""
    slow = await lanes.free()
    other = lanes.set_aside(slow)
    assert other is not None
    return slow, other


async def test_a_stand_in_goes_round_once_it_is_given_back(lanes: Lanes) -> None:
    _, other = await set_aside(lanes)
    assert len(await taken(lanes)) == 1  # nobody is handed one that has no decoder yet
    lanes.give_back(other)
    assert await taken(lanes) == [other]
    assert lanes.full


async def test_a_slot_that_is_done_before_its_stand_in_is_there_goes_round_again(lanes: Lanes) -> None:
    slow, other = await set_aside(lanes)
    lanes.give_back(slow)
    lanes.give_back(other)
    free = await taken(lanes)
    assert slow in free
    assert other not in free
    assert lanes.set_aside(slow) is other  # it waits for the next one


async def test_one_that_was_stood_in_for_waits_in_the_reserve(lanes: Lanes) -> None:
    slow, other = await set_aside(lanes)
    lanes.give_back(other)
    lanes.give_back(slow)
    assert slow not in await taken(lanes)
    assert lanes.set_aside(other) is slow


async def test_no_more_than_twice_as_many_come_about(lanes: Lanes) -> None:
    slow = await taken(lanes)
    others = [lanes.set_aside(each) for each in slow]
    assert None not in others
    for other in others:
        assert other is not None
        lanes.give_back(other)
    stuck = await taken(lanes)
    assert [lanes.set_aside(each) for each in stuck] == [None, None]
    assert len(lanes.slots) == 4
    for each in (*stuck, *slow):
        lanes.give_back(each)
    await asyncio.wait_for(lanes.drained(), 1)
    assert await taken(lanes) == []


async def test_a_stand_in_that_is_late_goes_round_for_the_next_one_that_takes_long(lanes: Lanes) -> None:
    slow = await taken(lanes)
    others = [lanes.set_aside(each) for each in slow]
    for each in slow:  # done before the others are there
        lanes.give_back(each)
    again = await taken(lanes)
    assert [lanes.set_aside(each) for each in again] == [None, None]
    for other in others:
        assert other is not None
        lanes.give_back(other)
    assert {*await taken(lanes)} == {*others}
    for each in again:
        lanes.give_back(each)
    assert await taken(lanes) == []  # they wait in the reserve
