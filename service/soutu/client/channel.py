"""The channel to a server: who may call, what is retried, how large a message may be."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import NoneType

import grpc

from soutu.client.given import checked

MESSAGE_BYTES = 64 * 1024 * 1024
# A call is sent again only while all of it fits this buffer; gRPC's default of 256 KiB would leave most
# uploads out. It is a little more than the 20 MiB of pictures that a server takes, so that a message refused
# for its size, which is RESOURCE_EXHAUSTED too, is not sent four times.
RETRY_BUFFER_BYTES = 21 * 1024 * 1024

_READS = {
    "soutu.v1.SearchService": (),  # () is every method
    "soutu.v1.ModelService": (),
    "soutu.v1.AdminService": ("GetLimits", "GetStatus"),
    "soutu.v1.ImageService": ("GetImage", "ListImages", "CountImages", "FacetImages", "DownloadImage"),
    "soutu.v1.CollectionService": (
        *("GetCollection", "ListCollections", "GetCollectionStatistics", "ListOperationFailures"),
        *("EstimateGeneration", "GetGeneration", "ListGenerations", "ListDuplicateGroups", "ListClusters"),
    ),
    "google.longrunning.Operations": ("ListOperations", "GetOperation", "WaitOperation", "CancelOperation"),
}
# This client never sends these without a request id. A batch has none, so it is not sent twice.
_REPEATABLE_WRITES = {
    "soutu.v1.ImageService": ("UploadImage", "StreamUploadImage", "UpdateImage", "DeleteImage"),
}


@dataclass(frozen=True, slots=True)
class Tls:
    """How the server is recognised, and we by it: PEM bytes. None of them: the system's authorities.

    `server_name` is the name in the server's certificate, where that is not the address.
    """

    authorities: bytes | None = None
    certificate: bytes | None = None
    private_key: bytes | None = None
    server_name: str = ""

    def __post_init__(self) -> None:
        for name in ("authorities", "certificate", "private_key"):
            wanted = f"PEM bytes, as of pathlib.Path({name + '.pem'!r}).read_bytes()"
            checked(getattr(self, name), (bytes, NoneType), name, wanted)
        checked(self.server_name, str, "server_name", "a str")

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC makes of it."""
        return grpc.ssl_channel_credentials(self.authorities, self.private_key, self.certificate)


def open_channel(address: str, tls: Tls | None = None) -> grpc.Channel:
    """A channel that connects when it is first used. `address` is host:port or unix:path."""
    if tls is None:
        return grpc.insecure_channel(address, channel_options())
    options = [*channel_options()]
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return grpc.secure_channel(address, tls.credentials(), options)


def channel_options() -> Sequence[tuple[str, int | str]]:
    """The options of every channel, also of a grpc.aio one."""
    return (
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 300_000),  # servers refuse pings that come more often than that
        ("grpc.per_rpc_retry_buffer_size", RETRY_BUFFER_BYTES),
        ("grpc.service_config", json.dumps(service_config())),
    )


def service_config() -> dict[str, object]:
    """What is retried, and how (gRFC A6): the calls that change nothing when they are made twice.

    gRPC's own retries rather than a loop of ours: they keep to the call's deadline, wait with jitter, stop
    when many calls fail (retryThrottling), obey grpc-retry-pushback-ms, and work for streams, too.
    """
    names = [
        {"service": service, **({"method": method} if method else {})}
        for calls in (_READS, _REPEATABLE_WRITES)
        for service, methods in calls.items()
        for method in methods or ("",)
    ]
    policy = {
        "maxAttempts": 4,
        "initialBackoff": "0.2s",
        "maxBackoff": "3s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
    }
    return {
        "methodConfig": [{"name": names, "retryPolicy": policy}],
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
    }
