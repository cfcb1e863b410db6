"""Every setting there is, with those of network.py: its key, type, bounds, default and one sentence about it.

docs/configuration.md is written from this file by `make docs`.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from soutu.settings.index import IndexSettings
from soutu.settings.network import AccessSettings, ClientSettings, ServerSettings
from soutu.settings.section import GIB, MIB, AbsolutePath, Bytes, Positive, Seconds, Section, refused
from soutu.settings.shapes import BucketUrl, HostAndPort, RedisUrl, WebAddress

_DATABASE = re.compile(r"(mysql|mariadb)\+aiomysql://[^/]+/[^/?]+(\?.*)?$|sqlite\+aiosqlite:///.+$")
_DATABASE_FORM = "mysql+aiomysql://user:password@host:3306/database or sqlite+aiosqlite:////path/catalog.db"
_HOST = r"^(\*\.)?([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"


def _is_there(directory: Path) -> bool:
    try:
        return directory.is_dir()
    except OSError:  # what lies above it may not be entered
        return False


def _is_local(host: str) -> bool:
    if host == "localhost" or host.startswith("unix:"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class DecodeSettings(Section):
    """Limits on pictures from strangers."""

    workers: int = Field(0, ge=0, description="Processes that decode; 0 is one per core.")
    image_bytes: Bytes = Field(20 * MIB, description="The largest image file.")
    pixels: Positive = Field(50_000_000, description="The most pixels of an image, width times height.")
    side: Positive = Field(16_384, description="The longest side of an image, in pixels.")
    jpeg_scans: Positive = Field(100, description="The most scans of a progressive JPEG.")
    metadata_bytes: Bytes = Field(MIB, description="The most metadata (EXIF, XMP, ICC, text) in an image.")
    seconds: Seconds = Field(
        5.0,
        description="The longest that one decode may compute; waiting included, four times as long.",
    )
    memory_bytes: int = Field(GIB, ge=64 * MIB, description="The most memory that one decode may take.")
    raw_bytes: Bytes = Field(120 * MIB, description="The largest raw file of a camera.")
    raw_seconds: Seconds = Field(
        30.0,
        description="The longest that decoding a raw file may compute; waiting included, four times as long.",
    )


class FetchSettings(Section):
    """Pictures that callers name by address instead of sending them."""

    hosts: tuple[Annotated[str, Field(min_length=1, max_length=260, pattern=_HOST)], ...] = Field(
        (),
        description="The hosts that pictures may be fetched from, with `*.` before a name for all below it "
        "and `:port` behind; none means that no picture is fetched.",
        json_schema_extra={"separator": ","},
    )
    http: bool = Field(False, description="Whether pictures may be fetched without TLS, too.")
    image_bytes: Bytes = Field(20 * MIB, description="The largest image file that is fetched.")
    seconds: Seconds = Field(
        10.0, description="The longest that fetching a picture may take, redirects included."
    )
    redirects: int = Field(3, ge=0, le=10, description="The most redirects that are followed to a picture.")
    parallel: int = Field(8, ge=1, le=256, description="Pictures that are fetched at a time.")


class ArchiveSettings(Section):
    """How far archives are unpacked that builds read."""

    members: Positive = Field(2_000_000, description="The most members of an archive.")
    header_bytes: Bytes = Field(MIB, description="The largest header of a member.")
    total_bytes: Bytes = Field(16 * 1024 * GIB, description="The most bytes that an archive may unpack to.")
    ratio: Positive = Field(
        50, description="The most bytes that an archive may unpack to, as a multiple of its own."
    )
    small_bytes: Bytes = Field(
        64 * MIB, description="What an archive may unpack to in any case, however small it is."
    )


class InferenceSettings(Section):
    """How models are run."""

    url: HostAndPort = Field(
        "", description="A Triton server that runs them, as host:port of its gRPC; empty is this process."
    )
    wait_s: Seconds = Field(10.0, description="The longest that a request to Triton is waited for.")
    unload_after_s: float = Field(
        3_600.0,
        ge=0,
        allow_inf_nan=False,
        description="How long a model may be unused by everybody before Triton unloads it; 0 is for ever.",
    )
    engine: Literal["onnxruntime", "openvino"] = Field(
        "onnxruntime",
        description="What runs models in this process; `openvino` needs the extra of that name, and "
        "`soutu doctor` says which is faster.",
    )
    half_precision: bool = Field(
        True, description="Whether OpenVINO computes in bfloat16 where the processor has it."
    )
    threads: int = Field(
        0, ge=0, description="Inferences run at a time in this process, each on a core; 0 is one per core."
    )


class AdmissionSettings(Section):
    """How much is done at a time, and how much may wait; what is beyond is refused."""

    queries: int = Field(
        0, ge=0, description="Pictures of queries in work at a time; 0 is eight for each core."
    )
    queries_waiting: int = Field(256, ge=0, description="Queries with pictures that may wait.")
    reads: Positive = Field(64, description="Other reads in work at a time.")
    reads_waiting: int = Field(256, ge=0, description="Other reads that may wait.")
    writes: Positive = Field(32, description="Writes in work at a time.")
    writes_waiting: int = Field(128, ge=0, description="Writes that may wait.")
    waits: Positive = Field(
        192, description="Calls that wait for operations, watch the health or ask for the API's description."
    )
    request_bytes: Bytes = Field(
        256 * MIB, description="The most bytes of all requests that are under way together."
    )


class SearchSettings(Section):
    """How queries are answered."""

    min_revision_wait_s: Seconds = Field(
        30.0, description="The longest that a search waits for its min_revision."
    )
    catalog_away_s: float = Field(
        30.0,
        ge=0,
        allow_inf_nan=False,
        description="How long searches go on, with names and scores, once the catalogue's server is away.",
    )


class CatalogSettings(Section):
    """The database."""

    url: str = Field(
        "",
        repr=False,
        description="A MySQL or MariaDB to keep it in, as mysql+aiomysql://user:password@host:3306/database; "
        "empty is SQLite in data_dir.",
        json_schema_extra={"secret": True},
    )
    remembered_images: int = Field(
        100_000,
        ge=0,
        description="The most images whose rows are kept in memory (some 1.5 kB each), the newest first.",
    )
    pool_size: int = Field(
        8,
        ge=1,
        le=256,
        description="Connections to a database server that read for searches, that read for the rest, and "
        "that write: so many of each.",
    )
    recycle_s: Seconds = Field(
        1_800.0, description="After how long a connection to a database server is replaced."
    )
    wait_s: Seconds = Field(
        30.0, description="The longest that a read or a transaction of a database server is waited for."
    )

    @property
    def on_server(self) -> bool:
        """Whether the catalogue is on a database server, which other processes may use, too."""
        return bool(self.url) and not self.url.startswith("sqlite")

    @field_validator("url")
    @classmethod
    def _url_is_whole(cls, url: str) -> str:
        if url and not _DATABASE.match(url):
            raise PydanticCustomError("rule", f"must be {_DATABASE_FORM}", {})
        return url


class CacheSettings(Section):
    """What is remembered to save work."""

    memory_bytes: Bytes = Field(
        64 * MIB, description="The most memory for remembered embeddings and search answers."
    )
    url: RedisUrl = Field(
        "",
        repr=False,
        description="A Redis to remember them in, as redis://host:6379/0; empty is this process's memory.",
        json_schema_extra={"secret": True},
    )
    expiry_s: Seconds = Field(86_400.0, description="How long Redis remembers something.")
    wait_s: Seconds = Field(0.05, description="The longest that a step of Redis is waited for.")


class ObjectsSettings(Section):
    """The store of original images."""

    url: BucketUrl = Field(
        "",
        description="An S3 bucket for them, as s3://bucket/prefix; empty is a directory in data_dir.",
    )
    endpoint: WebAddress = Field(
        "", description="The address of an S3 server that is not Amazon's, as https://host."
    )
    region: str = Field("", description="The bucket's region.")
    access_key: str = Field(
        "",
        repr=False,
        description="The key to the bucket; empty is what the environment or the machine's role gives.",
        json_schema_extra={"secret": True},
    )
    secret_key: str = Field(
        "", repr=False, description="The secret that belongs to it.", json_schema_extra={"secret": True}
    )
    sweep_grace_s: Seconds = Field(3_600.0, description="How long an object that no image uses is kept.")
    sweep_interval_s: Seconds = Field(600.0, description="How often such objects are looked for.")


class LogSettings(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe lines to log."
    )
    format: Literal["text", "json"] = Field(
        "text", description="Lines for people, or one JSON object per line."
    )


_ON_SERVERS = ("catalog", "index", "objects", "inference", "cache")


class Settings(Section):
    """The whole configuration."""

    profile: Literal["embedded", "cluster"] = Field(
        "embedded",
        description="Whether each part needs a server's address (`cluster`) or may be in the process.",
    )
    data_dir: AbsolutePath = Field(
        Path("~/.local/share/soutu"),
        description="Where the embedded profile keeps everything; one server at a time.",
    )
    default_model: str = Field(
        "",
        description="The model of collections that name none, as name or name@version; empty is ours.",
    )
    build_roots: tuple[AbsolutePath, ...] = Field(
        (), description="The directories below which builds may read; none means that builds read nothing."
    )
    backup_roots: tuple[AbsolutePath, ...] = Field(
        (), description="The directories below which backups and exports are written and imports read."
    )
    server: ServerSettings = ServerSettings()
    access: AccessSettings = AccessSettings()
    client: ClientSettings = ClientSettings()
    decode: DecodeSettings = DecodeSettings()
    fetch: FetchSettings = FetchSettings()
    archive: ArchiveSettings = ArchiveSettings()
    inference: InferenceSettings = InferenceSettings()
    index: IndexSettings = IndexSettings()
    admission: AdmissionSettings = AdmissionSettings()
    search: SearchSettings = SearchSettings()
    catalog: CatalogSettings = CatalogSettings()
    cache: CacheSettings = CacheSettings()
    objects: ObjectsSettings = ObjectsSettings()
    log: LogSettings = LogSettings()

    @property
    def missing_roots(self) -> list[tuple[str, Path]]:
        """The directories for builds and backups that are not there now, such as those of a disk that is not
        mounted, each behind its setting."""
        roots = {"build_roots": self.build_roots, "backup_roots": self.backup_roots}
        return [(key, root) for key, own in roots.items() for root in own if not _is_there(root)]

    @model_validator(mode="after")
    def _a_cluster_has_servers(self) -> "Settings":
        parts = {name: getattr(self, name).url for name in _ON_SERVERS}
        missing = [f"{name}.url" for name, url in parts.items() if not url]
        if self.profile == "cluster" and missing:
            raise refused("profile", self.profile, f"needs {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _public_only_on_request(self) -> "Settings":
        server, keys = self.server, self.access.needs_keys
        if server.insecure_public or _is_local(server.host):
            return self
        if not (keys or server.tls_client_authorities):
            sentence = (
                "is reachable from other machines, and callers need no key; listen on 127.0.0.1, set"
                " access.keys_file, or set server.insecure_public if the network is trusted"
            )
            raise refused("server.host", server.host, sentence)
        if not (server.tls_certificate or server.plaintext_public):
            sentence = (
                "is reachable from other machines, and keys would travel in the clear; set"
                " server.tls_certificate, or server.plaintext_public where a proxy before it ends TLS"
            )
            raise refused("server.host", server.host, sentence)
        return self
