"""The catalogue's tables. A change here comes with a migration; a test holds the two together.

How MySQL and MariaDB are to keep and compare texts is said where tables are made (migrations/steps.py).
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from soutu.adapters.catalog.columns import JsonText, LongText, Uid, UtcTime, VectorBytes

SCHEMA = MetaData()
SHA256 = String(64)
ID = String(128)

NUMBERED: dict[str, Any] = {"sqlite_autoincrement": True}  # tables whose uids are never used again

collections = Table(
    "collections",
    SCHEMA,
    Column("uid", Uid, primary_key=True, autoincrement=True),
    Column("id", ID, unique=True),  # null once deleted: the id is free while its rows are being removed
    Column("display_name", String(512), nullable=False),
    Column("description", LongText, nullable=False),
    Column("attributes", JsonText, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("active_generation", BigInteger, nullable=False),
    Column("image_count", BigInteger, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    Column("label_sets", JsonText),  # null where there are none; so for those of images
    **NUMBERED,
)

generations = Table(
    "generations",
    SCHEMA,
    Column("uid", Uid, primary_key=True, autoincrement=True),
    Column("collection_uid", BigInteger, nullable=False),
    Column("id", ID, nullable=False),
    Column("model_name", ID, nullable=False),
    Column("model_version", ID, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("index_type", String(32), nullable=False),
    Column("index_parameters", JsonText, nullable=False),
    Column("index_candidates", Integer, nullable=False),
    Column("state", String(32), nullable=False),
    Column("followed", BigInteger, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("publish_time", UtcTime),  # when it last became the active one
    UniqueConstraint("collection_uid", "id", name="generations_by_id"),
    **NUMBERED,
)

contents = Table(
    "contents",
    SCHEMA,
    Column("sha256", SHA256, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("media_type", ID, nullable=False),
    Column("exif_camera", String(512), nullable=False),
    Column("exif_lens", String(512), nullable=False),
    Column("exif_captured_at", UtcTime),
    Column("create_time", UtcTime, nullable=False),
    Column("marked_time", UtcTime),  # when a sweep first saw that no image uses it
    Column("removing", Boolean, nullable=False),  # a sweep is removing its object
    Index("contents_by_mark", "marked_time"),
)

images = Table(
    "images",
    SCHEMA,
    Column("uid", Uid, primary_key=True, autoincrement=True),
    Column("collection_uid", BigInteger, nullable=False),
    Column("id", ID, nullable=False),
    Column("revision", BigInteger, nullable=False),
    # The foreign key makes it impossible to sweep a content that a commit is just taking up.
    Column("sha256", SHA256, ForeignKey("contents.sha256", name="images_have_content"), nullable=False),
    Column("keeping", String(16), nullable=False),
    Column("original_path", LongText, nullable=False),
    Column("original_mtime_ns", BigInteger, nullable=False),
    Column("title", String(1024), nullable=False),
    Column("tags", JsonText, nullable=False),
    Column("source_uri", LongText, nullable=False),
    Column("category", String(256), nullable=False),
    Column("rating", Integer, nullable=False),
    Column("attributes", JsonText, nullable=False),
    Column("origin_source", LongText),
    Column("origin_path", LongText),
    Column("origin_key", SHA256),  # the hash of source and path, which are too long for MySQL's keys
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    Column(
        "sidecar", String(128), nullable=False, server_default=""
    ),  # the XMP file beside it, as taken over
    Column("labels", JsonText),  # the texts alone, for filters
    Column("predictions", JsonText),  # set, label and probability
    UniqueConstraint("collection_uid", "id", name="images_by_id"),
    UniqueConstraint("collection_uid", "origin_key", name="images_by_origin"),
    Index("images_by_uid", "collection_uid", "uid"),
    Index("images_by_revision", "collection_uid", "revision"),
    Index("images_by_content", "sha256", "collection_uid"),
    *(
        Index(f"images_by_{column}", "collection_uid", column, "id")
        for column in ("category", "rating", "create_time", "update_time")
    ),
    **NUMBERED,
)

tombstones = Table(
    "tombstones",
    SCHEMA,
    Column("uid", BigInteger, primary_key=True, autoincrement=False),
    Column("collection_uid", BigInteger, nullable=False),
    Column("id", ID, nullable=False),
    Column("origin_key", SHA256),
    Column("revision", BigInteger, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("sha256", SHA256),  # the content that the image had; null once purged
    Index("tombstones_by_revision", "collection_uid", "revision"),
    Index("tombstones_by_id", "collection_uid", "id"),
    Index("tombstones_by_origin", "collection_uid", "origin_key"),
)

embeddings = Table(
    "embeddings",
    SCHEMA,
    Column("sha256", SHA256, primary_key=True),
    Column("model", String(256), primary_key=True),
    Column("vector", VectorBytes, nullable=False),
)

requests = Table(
    "requests",
    SCHEMA,
    Column("collection_uid", BigInteger, primary_key=True, autoincrement=False),
    Column("request_id", String(256), primary_key=True),
    Column("body_sha256", SHA256, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("outcomes", JsonText, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Index("requests_by_time", "create_time"),
)

operations = Table(
    "operations",
    SCHEMA,
    Column("uid", Uid, primary_key=True, autoincrement=True),
    Column("id", ID, unique=True, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("collection_uid", BigInteger, nullable=False),
    Column("collection_id", ID, nullable=False),
    Column("state", String(32), nullable=False),
    Column("request", JsonText, nullable=False),
    Column("create_time", UtcTime, nullable=False),
    Column("update_time", UtcTime, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("cursor", LongText, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("error_reason", ID, nullable=False),
    Column("error_message", LongText, nullable=False),
    Column("result", JsonText, nullable=False),
    Column("start_time", UtcTime),
    Column("end_time", UtcTime),
    Column("lease_owner", String(256), nullable=False),
    Column("lease_until", UtcTime),
    Index("operations_by_state", "state", "uid"),
    Index("operations_by_collection", "collection_uid"),
    **NUMBERED,
)

operation_failures = Table(
    "operation_failures",
    SCHEMA,
    Column("uid", Uid, primary_key=True, autoincrement=True),
    Column("operation_uid", BigInteger, nullable=False),
    Column("subject", LongText, nullable=False),
    Column("reason", ID, nullable=False),
    Column("message", LongText, nullable=False),
    Index("failures_by_operation", "operation_uid", "uid"),
    **NUMBERED,
)

leads = Table(
    "leads",
    SCHEMA,
    Column("generation_uid", BigInteger, primary_key=True, autoincrement=False),
    Column("owner", ID, nullable=False),  # empty: whoever led has let go
    Column("term", BigInteger, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("followed", BigInteger, nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("comparisons", BigInteger, nullable=False),
)

secrets = Table(
    "secrets",
    SCHEMA,
    Column("name", ID, primary_key=True),
    Column("value", VectorBytes, nullable=False),
)
