"""Label sets of collections, and the labels of images: those to filter by, and with their probabilities.

No labels are null, so that SQLite need not make the table of images anew.
"""

import sqlalchemy as sa

from soutu.adapters.catalog.columns import JsonText
from soutu.adapters.catalog.migrations.steps import add_column

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds the columns in place."""
    add_column("collections", sa.Column("label_sets", JsonText))
    add_column("images", sa.Column("labels", JsonText))
    add_column("images", sa.Column("predictions", JsonText))
