"""The cursor of builds and syncs."""

from soutu.ingest.tally import ADDED, FAILED, Tally


def test_a_tally_comes_back_from_its_text() -> None:
    tally = Tally(place=(7, "a.jpg"), stamp="s").plus({ADDED: 3, FAILED: 1})
    assert Tally.parsed(tally.text(), "s") == tally
    assert (tally.done, tally.failed, tally.of(ADDED)) == (4, 1, 3)


def test_a_source_that_changed_is_begun_anew() -> None:
    tally = Tally(place=(7, "a.jpg"), stamp="old").plus({ADDED: 3})
    assert Tally.parsed(tally.text(), "new") == Tally(stamp="new")
    assert Tally.parsed("", "new") == Tally(stamp="new")


def test_counts_may_be_taken_back() -> None:
    assert Tally().plus({ADDED: 3}).plus({ADDED: -1, FAILED: 1}).counts == {ADDED: 2, FAILED: 1}
