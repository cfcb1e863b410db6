"""Images remember which state of the XMP file beside them has been taken over."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds the column in place."""
    with op.batch_alter_table("images", recreate="auto") as table:
        table.add_column(sa.Column("sidecar", sa.String(128), nullable=False, server_default=""))
