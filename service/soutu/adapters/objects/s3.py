"""Objects in an S3 bucket, or in anything that speaks S3."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.store import S3Store

from soutu.adapters.objects.store import ObstoreObjects

if TYPE_CHECKING:
    from obstore.store import S3Config  # a name for type checkers only

_TRIES = 3
_ATTEMPT_S = 10.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects are kept: `url` is s3://bucket or s3://bucket/prefix. Without `endpoint` it is Amazon's,
    without keys they are those that the environment or the machine's role gives."""

    url: str
    endpoint: str = ""
    region: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)


def s3_objects(bucket: Bucket) -> ObstoreObjects:
    """The objects in a bucket. Nothing is asked of it before the first call; a call that fails is tried
    again, twice at the most and for seconds, before it is OBJECTS_UNAVAILABLE."""
    place = urlsplit(bucket.url)
    config: S3Config = {"region": bucket.region or "us-east-1"}
    if bucket.endpoint:
        config["endpoint"] = bucket.endpoint
    if bucket.access_key:
        config |= {"access_key_id": bucket.access_key, "secret_access_key": bucket.secret_key}
    return ObstoreObjects(
        S3Store(
            place.netloc,
            prefix=place.path.strip("/") or None,
            config=config,
            client_options={"allow_http": bucket.endpoint.startswith("http:"), "timeout": f"{_ATTEMPT_S:g}s"},
            retry_config={"max_retries": _TRIES - 1, "retry_timeout": timedelta(seconds=_ATTEMPT_S)},
        )
    )
