"""A catalogue's database, looked at and emptied by others than Soutu."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, create_engine, inspect, make_url, text

from soutu.adapters.catalog.tables import SCHEMA


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection of one's own, each of whose statements is committed at once."""
    plain = {"sqlite": "sqlite", "mysql": "mysql+pymysql"}
    named = make_url(url)
    engine = create_engine(named.set(drivername=plain[named.get_backend_name()]))
    try:
        with engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")
    finally:
        engine.dispose()


def emptied(url: str) -> None:
    """Takes all rows out of a server's database; numbers begin at 1 again."""
    with connected(url) as connection:
        there = set(inspect(connection).get_table_names())
        connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        for name in there & set(SCHEMA.tables):
            connection.execute(text(f"TRUNCATE TABLE {name}"))


def tables_that_hold(url: str, words: str) -> list[str]:
    """The tables of which a row holds these words."""
    with connected(url) as connection:
        return [
            name
            for name in inspect(connection).get_table_names()
            if any(words in str(row) for row in connection.execute(text(f"SELECT * FROM {name}")))  # noqa: S608
        ]
