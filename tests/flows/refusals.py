"""What a server says when it refuses a call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from soutu.client import SoutuCallError
from tests.flows.served import Stubs

Call = Callable[[Stubs], object]
"""A call that a test makes with raw stubs."""


NEVER = ("INTERNAL", "UNKNOWN")
"""Statuses that no input, and no condition that the service knows, is answered with."""


@dataclass(frozen=True, slots=True)
class BadCall:
    """A call that is to be refused, and how."""

    call: Call
    status: str
    reason: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The status of a failed call; `domain`, `reason`, `field` and `limit` are empty where gRPC's core made
    it."""

    status: str
    message: str
    domain: str = ""
    reason: str = ""
    field: str = ""
    limit: str = ""


def refusal_of(call: Callable[[], object]) -> Refusal:
    """How the call, made with a raw stub, was refused; AssertionError if it was answered."""
    refusal = refusal_or_none(call)
    assert refusal, "the call was answered"
    return refusal


def refusal_or_none(call: Callable[[], object]) -> Refusal | None:
    """How the call was refused; None if it was answered."""
    try:
        call()
    except grpc.RpcError as error:
        return _refusal(error)
    return None


def _refusal(error: grpc.RpcError) -> Refusal:
    failed = cast(grpc.Call, error)  # what a stub raises is the call, too
    status, name = rpc_status.from_call(failed), error.code().name
    assert name not in NEVER, f"{name}: {error.details()}"
    if status is None:
        return Refusal(name, error.details() or "")
    cause = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(cause) for detail in status.details), f"no ErrorInfo in {status}"
    return Refusal(
        name,
        status.message,
        cause.domain,
        cause.reason,
        cause.metadata.get("field", ""),
        cause.metadata.get("limit", ""),
    )


@contextmanager
def refused(reason: str, field: str | None = None) -> Iterator[None]:
    """Expects a call of our client to be refused for this reason, and about this field if one is given."""
    with pytest.raises(SoutuCallError) as caught:
        yield
    error = caught.value
    assert error.reason == reason, str(error)
    assert field is None or error.metadata.get("field") == field, error.metadata
