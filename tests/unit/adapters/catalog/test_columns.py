from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from soutu.adapters.catalog.columns import from_json, to_json

_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_TIMES = st.datetimes(timezones=st.just(UTC))


@given(st.dictionaries(st.text(max_size=5), _PLAIN | _TIMES | st.lists(st.text()), max_size=4))
def test_json_comes_back_as_it_was(value: dict[str, object]) -> None:
    assert from_json(to_json(value)) == value


def test_a_time_comes_back_in_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=8)))
    assert from_json(to_json([noon])) == [noon]
    assert from_json(to_json([noon]))[0].tzinfo is UTC


def test_text_that_looks_like_a_tag_stays_text() -> None:
    assert from_json(to_json({"a": '{"$time": "x"}'})) == {"a": '{"$time": "x"}'}
