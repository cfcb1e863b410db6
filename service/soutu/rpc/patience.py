"""Waiting for clients: for what they still have to send, and until they take what is sent to them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from soutu.domain.errors import Reason, SoutuError

Context = grpc.aio.ServicerContext[Any, Any]
_END = grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs lack it


class Patience:
    """Waits at most `idle_s` each time (None: for ever), then DEADLINE_EXCEEDED: a client that says or takes
    nothing would else hold its call, and what the call holds."""

    def __init__(self, idle_s: float | None) -> None:
        self._idle_s = idle_s

    async def only(self, context: Context) -> Any:
        """The one request of a call; an error in its place where none came."""
        try:
            with self._telling("The client sent no request"):
                async with asyncio.timeout(self._idle_s):
                    request = await context.read()
        except SoutuError as late:
            return late
        if request is _END:
            return SoutuError(Reason.REQUEST_MALFORMED, "The call ended without a request.")
        return request

    async def all(self, context: Context) -> AsyncIterator[Any]:
        """The requests of a call, as they come."""
        while True:
            with self._telling("The client sent nothing more"):
                async with asyncio.timeout(self._idle_s):
                    request = await context.read()
            if request is _END:
                return
            yield request

    async def send(self, context: Context, answer: Any) -> None:
        """Sends one answer of several; returns once there is room for the next."""
        with self._telling("The client took nothing of the answer"):
            async with asyncio.timeout(self._idle_s):
                await context.write(answer)

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise SoutuError(Reason.DEADLINE_EXCEEDED, f"{what} for {self._idle_s:g} s.") from error
