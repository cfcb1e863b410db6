"""Who follows a generation where several processes serve one catalogue, and secrets that they share."""

import sqlalchemy as sa

from soutu.adapters.catalog.columns import UtcTime, VectorBytes
from soutu.adapters.catalog.migrations.steps import make_table

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Makes both tables."""
    make_table(
        "leads",
        sa.Column("generation_uid", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("term", sa.BigInteger, nullable=False),
        sa.Column("until", UtcTime, nullable=False),
        sa.Column("followed", sa.BigInteger, nullable=False),
        sa.Column("ready", sa.Boolean, nullable=False),
        sa.Column("comparisons", sa.BigInteger, nullable=False),
    )
    make_table(
        "secrets",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("value", VectorBytes, nullable=False),
    )
