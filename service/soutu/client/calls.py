"""One way to make a call: a deadline, the key, and errors that say what happened."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import grpc

from soutu.client.errors import error_of_call

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

_KEY = re.compile(r"[A-Za-z0-9._~+/=-]{1,512}")


def checked_key(key: str) -> str:
    """The key, if it can be one; ValueError, which does not repeat it, where it cannot."""
    if not isinstance(key, str):
        raise TypeError(f"key must be a str, not {type(key).__name__}")
    if not _KEY.fullmatch(key):
        raise ValueError(
            "key is no key: one is a single word of at most 512 letters, digits and - . _ ~ + / =, without"
            " spaces and line ends"
        )
    return key


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes the calls of one client; every one has a deadline, `timeout_s` unless it asks for another."""

    channel: grpc.Channel
    address: str
    timeout_s: float
    key: str | None = field(default=None, repr=False)

    def unary(
        self, method: Callable[..., ResponseT], request: object, timeout_s: float | None = None
    ) -> ResponseT:
        """The answer to one request, which may be an iterator of messages; raises SoutuCallError."""
        try:
            return method(request, timeout=timeout_s or self.timeout_s, metadata=self._metadata())
        except grpc.RpcError as error:
            raise error_of_call(error, self.address) from error

    def stream(
        self,
        method: "grpc.UnaryStreamMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        timeout_s: float | None = None,
    ) -> Iterator[ResponseT]:
        """The answers to one request as they come; raises SoutuCallError. Closing it ends the call."""
        answers = method(request, timeout=timeout_s or self.timeout_s, metadata=self._metadata())
        try:
            yield from answers
        except grpc.RpcError as error:
            raise error_of_call(error, self.address) from error
        finally:
            answers.cancel()  # type: ignore[no-untyped-call]  # grpc-stubs leave it so

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.key}"),) if self.key else ()
