"""SoutuError -> gRPC status with google.rpc details."""

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

from soutu.domain.errors import Reason, SoutuError, Status

DOMAIN = "soutu"
_TOLD = 500  # characters
_RETRY_S = {
    Reason.QUEUE_FULL: 1,
    Reason.BACKLOG_FULL: 5,
    Reason.INDEX_UNREADY: 2,
    Reason.DECODER_UNAVAILABLE: 5,
}


def status_of(error: SoutuError) -> status_pb2.Status:
    """The google.rpc.Status of an error: ErrorInfo always, BadRequest where it is about a field, RetryInfo
    where trying again is worth while."""
    metadata = {key: told(value) for key, value in error.metadata.items()}
    details = [error_details_pb2.ErrorInfo(reason=error.reason.name, domain=DOMAIN, metadata=metadata)]
    status = status_pb2.Status(code=code_of(error.reason.status).value[0], message=told(error.message))
    status.details.extend(_packed(detail) for detail in [*details, *_advice(error)])
    return status


def told(text: str) -> str:
    """What is told of a text that may repeat what a caller sent: so much of it as fits into a status, which
    gRPC limits to 16 KiB with everything in it, and nothing that does not print."""
    short = text if len(text) <= _TOLD else f"{text[:_TOLD]}…"
    return (
        short if short.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in short)
    )


def code_of(status: Status) -> grpc.StatusCode:
    """The gRPC code of the same name."""
    return grpc.StatusCode[status.value]


def trailers_of(status: status_pb2.Status) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata in which gRPC carries a status with details."""
    return (("grpc-status-details-bin", status.SerializeToString()),)


def _advice(error: SoutuError) -> list[error_details_pb2.BadRequest | error_details_pb2.RetryInfo]:
    advice: list[error_details_pb2.BadRequest | error_details_pb2.RetryInfo] = []
    if field := error.metadata.get("field"):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=told(field), description=told(error.message)
        )
        advice.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if delay_s := _RETRY_S.get(error.reason):
        delay = duration_pb2.Duration(seconds=delay_s)
        advice.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return advice


def _packed(message: object) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)  # type: ignore[arg-type]
    return packed
