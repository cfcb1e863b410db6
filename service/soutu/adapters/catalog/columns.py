"""Column types that mean the same on SQLite, MySQL and MariaDB."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, LargeBinary, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator

Json = Any
_TIME_TAG = "$time"

# SQLite gives uids that are never used again only to a column declared INTEGER PRIMARY KEY AUTOINCREMENT.
Uid = BigInteger().with_variant(Integer(), "sqlite")
LongText = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
VectorBytes = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


class UtcTime(TypeDecorator[datetime]):
    """An aware time, kept as UTC with microseconds and read back as aware UTC."""

    impl = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time in UTC without its zone."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The time with its zone again."""
        return None if value is None else value.replace(tzinfo=UTC)


class JsonText(TypeDecorator[Any]):
    """JSON as text, so that every database returns it exactly as written; times stay times, tuples
    become lists."""

    impl = LongText
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        """The value as JSON."""
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Json:
        """The value again."""
        return None if value is None else from_json(value)


def to_json(value: object) -> str:
    """`value` as JSON; an aware time becomes {"$time": "2026-01-01T00:00:00+00:00"}."""
    return json.dumps(value, default=_tagged, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Json:
    """What `to_json` wrote, lists for its tuples."""
    if _TIME_TAG in text:
        return json.loads(text, object_hook=_untagged)
    return json.loads(text)


def _tagged(value: object) -> dict[str, str]:
    if isinstance(value, datetime):
        return {_TIME_TAG: value.astimezone(UTC).isoformat()}
    raise TypeError(f"{type(value).__name__} is not JSON-like")


def _untagged(value: dict[str, Any]) -> Json:
    if len(value) == 1 and isinstance(value.get(_TIME_TAG), str):
        return datetime.fromisoformat(value[_TIME_TAG])
    return value
