"""The first schema."""

from typing import Any

import sqlalchemy as sa

from soutu.adapters.catalog.columns import JsonText, LongText, Uid, UtcTime, VectorBytes
from soutu.adapters.catalog.migrations.steps import make_index, make_table

revision = "0001"
down_revision = None

_SHA256 = sa.String(64)
_ID = sa.String(128)
_NUMBERED: dict[str, Any] = {"sqlite_autoincrement": True}


def upgrade() -> None:
    """Makes every table."""
    _collections()
    _generations()
    _contents()
    _images()
    _tombstones()
    _embeddings()
    _requests()
    _operations()
    _operation_failures()


def _collections() -> None:
    make_table(
        "collections",
        sa.Column("uid", Uid, primary_key=True, autoincrement=True),
        sa.Column("id", _ID, unique=True),
        sa.Column("display_name", sa.String(512), nullable=False),
        sa.Column("description", LongText, nullable=False),
        sa.Column("attributes", JsonText, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("active_generation", sa.BigInteger, nullable=False),
        sa.Column("image_count", sa.BigInteger, nullable=False),
        sa.Column("create_time", UtcTime, nullable=False),
        sa.Column("update_time", UtcTime, nullable=False),
        **_NUMBERED,
    )


def _generations() -> None:
    make_table(
        "generations",
        sa.Column("uid", Uid, primary_key=True, autoincrement=True),
        sa.Column("collection_uid", sa.BigInteger, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("model_name", _ID, nullable=False),
        sa.Column("model_version", _ID, nullable=False),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.Column("index_type", sa.String(32), nullable=False),
        sa.Column("index_parameters", JsonText, nullable=False),
        sa.Column("index_candidates", sa.Integer, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("followed", sa.BigInteger, nullable=False),
        sa.Column("create_time", UtcTime, nullable=False),
        sa.Column("publish_time", UtcTime),
        sa.UniqueConstraint("collection_uid", "id", name="generations_by_id"),
        **_NUMBERED,
    )


def _contents() -> None:
    make_table(
        "contents",
        sa.Column("sha256", _SHA256, primary_key=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("media_type", _ID, nullable=False),
        sa.Column("exif_camera", sa.String(512), nullable=False),
        sa.Column("exif_lens", sa.String(512), nullable=False),
        sa.Column("exif_captured_at", UtcTime),
        sa.Column("create_time", UtcTime, nullable=False),
        sa.Column("marked_time", UtcTime),
        sa.Column("removing", sa.Boolean, nullable=False),
    )
    make_index("contents_by_mark", "contents", ["marked_time"])


def _images() -> None:
    make_table(
        "images",
        sa.Column("uid", Uid, primary_key=True, autoincrement=True),
        sa.Column("collection_uid", sa.BigInteger, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column(
            "sha256", _SHA256, sa.ForeignKey("contents.sha256", name="images_have_content"), nullable=False
        ),
        sa.Column("keeping", sa.String(16), nullable=False),
        sa.Column("original_path", LongText, nullable=False),
        sa.Column("original_mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("title", sa.String(1024), nullable=False),
        sa.Column("tags", JsonText, nullable=False),
        sa.Column("source_uri", LongText, nullable=False),
        sa.Column("category", sa.String(256), nullable=False),
        sa.Column("rating", sa.Integer, nullable=False),
        sa.Column("attributes", JsonText, nullable=False),
        sa.Column("origin_source", LongText),
        sa.Column("origin_path", LongText),
        sa.Column("origin_key", _SHA256),
        sa.Column("create_time", UtcTime, nullable=False),
        sa.Column("update_time", UtcTime, nullable=False),
        sa.UniqueConstraint("collection_uid", "id", name="images_by_id"),
        sa.UniqueConstraint("collection_uid", "origin_key", name="images_by_origin"),
        **_NUMBERED,
    )
    make_index("images_by_uid", "images", ["collection_uid", "uid"])
    make_index("images_by_revision", "images", ["collection_uid", "revision"])
    make_index("images_by_content", "images", ["sha256", "collection_uid"])


def _tombstones() -> None:
    make_table(
        "tombstones",
        sa.Column("uid", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("collection_uid", sa.BigInteger, nullable=False),
        sa.Column("id", _ID, nullable=False),
        sa.Column("origin_key", _SHA256),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("create_time", UtcTime, nullable=False),
    )
    make_index("tombstones_by_revision", "tombstones", ["collection_uid", "revision"])
    make_index("tombstones_by_id", "tombstones", ["collection_uid", "id"])
    make_index("tombstones_by_origin", "tombstones", ["collection_uid", "origin_key"])


def _embeddings() -> None:
    make_table(
        "embeddings",
        sa.Column("sha256", _SHA256, primary_key=True),
        sa.Column("model", sa.String(256), primary_key=True),
        sa.Column("vector", VectorBytes, nullable=False),
    )


def _requests() -> None:
    make_table(
        "requests",
        sa.Column("collection_uid", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("request_id", sa.String(256), primary_key=True),
        sa.Column("body_sha256", _SHA256, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("outcomes", JsonText, nullable=False),
        sa.Column("create_time", UtcTime, nullable=False),
    )
    make_index("requests_by_time", "requests", ["create_time"])


def _operations() -> None:
    make_table(
        "operations",
        sa.Column("uid", Uid, primary_key=True, autoincrement=True),
        sa.Column("id", _ID, unique=True, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("collection_uid", sa.BigInteger, nullable=False),
        sa.Column("collection_id", _ID, nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("request", JsonText, nullable=False),
        sa.Column("create_time", UtcTime, nullable=False),
        sa.Column("update_time", UtcTime, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("cursor", LongText, nullable=False),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("error_reason", _ID, nullable=False),
        sa.Column("error_message", LongText, nullable=False),
        sa.Column("result", JsonText, nullable=False),
        sa.Column("start_time", UtcTime),
        sa.Column("end_time", UtcTime),
        sa.Column("lease_owner", sa.String(256), nullable=False),
        sa.Column("lease_until", UtcTime),
        **_NUMBERED,
    )
    make_index("operations_by_state", "operations", ["state", "uid"])
    make_index("operations_by_collection", "operations", ["collection_uid"])


def _operation_failures() -> None:
    make_table(
        "operation_failures",
        sa.Column("uid", Uid, primary_key=True, autoincrement=True),
        sa.Column("operation_uid", sa.BigInteger, nullable=False),
        sa.Column("subject", LongText, nullable=False),
        sa.Column("reason", _ID, nullable=False),
        sa.Column("message", LongText, nullable=False),
        **_NUMBERED,
    )
    make_index("failures_by_operation", "operation_failures", ["operation_uid", "uid"])
