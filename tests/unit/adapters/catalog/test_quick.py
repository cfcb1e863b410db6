"""A statement that is made once says what SQLAlchemy makes of it each time."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select
from sqlalchemy.dialects.mysql.aiomysql import dialect

from soutu.adapters.catalog.joining import _CHANGED, _READ
from soutu.adapters.catalog.quick import _LENGTHS_KEPT, _Prepared

OWN = {"collection": 5, "generation": 7}


def says_the_same(prepared: _Prepared, statement: Select[Any], parameters: Mapping[str, Any]) -> bool:
    expanded = statement.compile(dialect=dialect()).construct_expanded_state(dict(parameters))
    return prepared.bound(parameters) == (expanded.statement, list(expanded.positional_parameters))


def test_lists_of_any_length_are_put_in_their_places() -> None:
    prepared = _Prepared(_READ, dialect())
    for count in [*range(1, _LENGTHS_KEPT + 10), 3, 1]:
        lists = {"uids": list(range(100, 100 + count)), "unread": list(range(count // 2))}
        assert says_the_same(prepared, _READ, OWN | lists)


def test_a_value_that_is_used_several_times_is_put_in_all_its_places() -> None:
    prepared = _Prepared(_CHANGED, dialect())
    for after in (0, 5):
        parameters = {"collection": 5, "after": after, "at_most": 9}
        assert says_the_same(prepared, _CHANGED, parameters)
        assert list(prepared.bound(parameters)[1]) == [5, after, 9] * 2
