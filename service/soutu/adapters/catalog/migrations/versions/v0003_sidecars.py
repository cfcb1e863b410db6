"""Images remember which state of the XMP file beside them has been taken over."""

import sqlalchemy as sa

from soutu.adapters.catalog.migrations.steps import add_column

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds the column in place."""
    add_column("images", sa.Column("sidecar", sa.String(128), nullable=False, server_default=""))
