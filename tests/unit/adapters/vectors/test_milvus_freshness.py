"""How fresh searches are asked to be."""

from soutu.adapters.vectors.milvus_freshness import SETTLED_S, Freshness, after


def test_what_was_just_opened_is_searched_in_its_newest_state() -> None:
    assert Freshness(100.0).level(100.5) == {"consistency_level": "Strong"}


def test_after_a_write_searches_have_it_and_wait_for_nothing_newer() -> None:
    freshness = Freshness(0.0)
    freshness.wrote(77, 100.0)
    freshness.wrote(70, 101.0)  # of another collection's tick: never back
    assert freshness.level(102.0) == {"consistency_level": "Customized", "guarantee_timestamp": 77}


def test_what_has_settled_is_searched_as_it_is() -> None:
    freshness = Freshness(0.0)
    freshness.wrote(77, 100.0)
    assert freshness.level(100.0 + SETTLED_S + 0.1) == {"consistency_level": "Bounded"}


def test_what_another_process_wrote_is_searched_in_its_newest_state_for_a_while() -> None:
    freshness = Freshness(0.0)
    freshness.told(5, 100.0)
    assert freshness.level(101.0) == {"consistency_level": "Strong"}
    freshness.told(5, 109.0)  # nothing new
    assert freshness.level(100.0 + SETTLED_S + 0.1) == {"consistency_level": "Bounded"}
    freshness.told(6, 200.0)
    assert freshness.level(200.1) == {"consistency_level": "Strong"}


def test_who_writes_knows_what_is_there() -> None:
    freshness = Freshness(0.0)
    freshness.wrote(77, 100.0)
    freshness.told(5, 100.1)
    assert freshness.level(101.0) == {"consistency_level": "Customized", "guarantee_timestamp": 77}
    freshness.told(6, 100.0 + SETTLED_S + 1)  # by whoever has taken over
    assert freshness.level(100.0 + SETTLED_S + 2) == {"consistency_level": "Strong"}


def test_without_a_timestamp_the_newest_state_is_asked_for() -> None:
    assert after(0) == {"consistency_level": "Strong"}
