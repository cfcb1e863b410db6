"""Tombstones say which content the deleted image had, so that it can be purged, too."""

import sqlalchemy as sa

from soutu.adapters.catalog.migrations.steps import add_column

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the column; SQLite makes the table anew."""
    add_column("tombstones", sa.Column("sha256", sa.String(64)))
