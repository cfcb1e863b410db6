"""Indexes for lists that are filtered or ordered by what images are most often asked by."""

from soutu.adapters.catalog.migrations.steps import make_index

revision = "0004"
down_revision = "0003"

_INDEXED = ("category", "rating", "create_time", "update_time")


def upgrade() -> None:
    """Adds one index for each; the id makes every order one that pages can go on from."""
    for column in _INDEXED:
        make_index(f"images_by_{column}", "images", ["collection_uid", column, "id"])
