"""The steps of migrations. Each does nothing where it was done before: MySQL and MariaDB commit every change
of the schema by itself, so a migration that was cut off is taken up again from its beginning."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from soutu.adapters.catalog.mysql import no_pad_collation

_SERVERS = ("mysql", "mariadb")


def make_table(name: str, *parts: Any, **options: Any) -> None:
    """Makes a table, on a server with texts that compare byte by byte."""
    bind = op.get_bind()
    if sa.inspect(bind).has_table(name):
        return
    if bind.dialect.name in _SERVERS:
        own = {"engine": "InnoDB", "charset": "utf8mb4", "collate": no_pad_collation(bind.dialect)}
        options |= {f"{bind.dialect.name}_{option}": value for option, value in own.items()}
    op.create_table(name, *parts, **options)


def make_index(name: str, table: str, columns: Sequence[str]) -> None:
    """Makes an index."""
    if name not in {each["name"] for each in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, list(columns))


def add_column(table: str, column: sa.Column[Any]) -> None:
    """Adds a column; SQLite makes the table anew where it must."""
    if column.name not in {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}:
        with op.batch_alter_table(table, recreate="auto") as altered:
            altered.add_column(column)
