from threading import Thread
from typing import cast

from soutu.adapters.vectors.edge_current import CurrentShard
from soutu.adapters.vectors.edge_loaded import LoadedShard


class Loaded:
    """As much of a LoadedShard as its exchange needs."""

    users = 0


def loaded() -> LoadedShard:
    return cast(LoadedShard, Loaded())


def test_a_reader_keeps_its_shard_until_it_is_done() -> None:
    old, new, returned = loaded(), loaded(), []
    current = CurrentShard(old)
    with current.reading() as read:
        exchange = Thread(target=lambda: returned.append(current.replace(new)))
        exchange.start()
        exchange.join(0.05)
        assert read is old
        assert returned == []
        with current.reading() as later:
            assert later is new or later is old
    exchange.join(5)
    assert returned == [old]
    with current.reading() as read:
        assert read is new


def test_touched_uids_are_remembered_from_when_it_is_asked_until_it_is_forgotten() -> None:
    current = CurrentShard(loaded())
    with current.writing([1]):
        current.remember()
    with current.writing([2, 3, 2]):
        assert sorted(current.remembered()) == [2, 3]
    with current.writing(range(10)):
        assert len(current.remembered(limit=4)) == 4
        assert len(current.remembered()) == 6
        assert current.remembered() == []
    current.forget()
    with current.writing([4]):
        current.remember()
        assert current.remembered() == []
