"""A statement that is made once says what SQLAlchemy makes of it each time."""

from typing import Any

import pytest
from sqlalchemy.dialects.mysql.aiomysql import dialect

from soutu.adapters.catalog.joining import _CONFIRMED, _READ
from soutu.adapters.catalog.quick import _LENGTHS_KEPT, _Prepared

OWN = {"collection": 5, "generation": 7}


@pytest.mark.parametrize("statement", [_READ, _CONFIRMED])
def test_lists_of_any_length_are_put_in_their_places(statement: Any) -> None:
    prepared = _Prepared(statement, dialect())
    compiled = statement.compile(dialect=dialect())
    for count in [*range(1, _LENGTHS_KEPT + 10), 3, 1]:
        lists = {"uids": list(range(100, 100 + count)), "unread": list(range(count // 2))}
        parameters: dict[str, Any] = OWN | {
            name: lists[name] for name in lists if name in compiled.bind_names.values()
        }
        expanded = compiled.construct_expanded_state(parameters)
        assert prepared.bound(parameters) == (expanded.statement, list(expanded.positional_parameters))
