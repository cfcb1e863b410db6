"""Requests as they come from gRPC: each with its length, and never as an exception that gRPC would answer."""

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from soutu.domain.errors import Reason, SoutuError


class Received(NamedTuple):
    """One request message, or the error in place of one that could not be read, and the bytes that it took.

    A message can tell its length only by being written again, which takes 14 ms for one of 20 MiB.
    """

    message: Any
    size_bytes: int = 0


def reader(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Received]:
    """What reads the requests of a method; without `deserialize` they stay bytes."""

    def read(data: bytes) -> Received:
        try:
            return Received(deserialize(data) if deserialize else data, len(data))
        except (DecodeError, UnicodeDecodeError):
            return Received(SoutuError(Reason.REQUEST_MALFORMED), len(data))

    return read
