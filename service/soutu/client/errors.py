"""What a failed call raises, made from the google.rpc.Status that the server sends with every error."""

from collections.abc import Mapping
from typing import cast

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from soutu.client.handshakes import tls_fault


class SoutuCallError(Exception):
    """A call that failed.

    `status` is the gRPC status by its canonical name ("NOT_FOUND"); `reason` the stable code that programs
    should look at ("IMAGE_NOT_FOUND"), empty where gRPC itself refused the call; `message` a sentence for
    people; `metadata` short facts such as `field`, or `tls` (a `TlsFault`) where TLS kept us from the server;
    `retry_after_s` what the server advises, else None; `hint` what a program may have meant, which only the
    text of the exception shows.
    """

    def __init__(
        self,
        status: str,
        message: str,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(f"{reason or status}: {message} {hint}".rstrip())
        self.status = status
        self.message = message
        self.reason = reason
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.retry_after_s = retry_after_s
        self.hint = hint

    def hinted(self, hint: str) -> "SoutuCallError":
        """The same error with a hint."""
        return SoutuCallError(self.status, self.message, self.reason, self.metadata, self.retry_after_s, hint)

    @property
    def unreachable(self) -> bool:
        """Whether no server answered, as against a server that answered with an error."""
        return self.status == "UNAVAILABLE" and not self.reason


def error_of_call(error: grpc.RpcError, address: str) -> SoutuCallError:
    """The error of a call to `address` that gRPC says has failed."""
    status = rpc_status.from_call(cast(grpc.Call, error))  # what a stub raises is the call, too
    if status is not None:
        return error_of_status(status)
    code: grpc.StatusCode = error.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        return _unreached(error.details() or "", address)
    return SoutuCallError(code.name, error.details() or code.name.lower().replace("_", " "))


def _unreached(details: str, address: str) -> SoutuCallError:
    name = grpc.StatusCode.UNAVAILABLE.name
    if found := tls_fault(details):
        fault, sentence = found
        message = f"the server at {address} cannot be talked to: {sentence}"
        return SoutuCallError(name, message, metadata={"tls": fault.value})
    return SoutuCallError(name, f"no server can be reached at {address} ({details})")


def error_of_status(status: status_pb2.Status) -> SoutuCallError:
    """The error that a status says, such as that of one item of a batch."""
    cause, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    retry_after_s = None
    for detail in status.details:
        detail.Unpack(cause)
        if detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToNanoseconds() / 1e9
    name = code_pb2.Code.Name(status.code)
    return SoutuCallError(name, status.message, cause.reason, cause.metadata, retry_after_s)
