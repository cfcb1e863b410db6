"""Tombstones say which content the deleted image had, so that it can be purged, too."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the column; SQLite makes the table anew."""
    with op.batch_alter_table("tombstones", recreate="auto") as table:
        table.add_column(sa.Column("sha256", sa.String(64)))
