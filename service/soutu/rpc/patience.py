"""Waiting for clients: for what they still have to send, and until they take what is sent to them."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc

from soutu.domain.errors import Reason, SoutuError
from soutu.rpc.received import Received

# What still comes in to a call that is refused: for how long, how much, and from how many calls it is taken.
_DROPPED_S = 5.0
_DROPPED_BYTES = 48 * 2**20
_PAUSE_S = 0.25
_DROPPED_AT_ONCE = 8
Context = grpc.aio.ServicerContext[Any, Any]
_END = grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs lack it


class Patience:
    """Waits at most `idle_s` each time (None: for ever), then DEADLINE_EXCEEDED: a client that says or takes
    nothing would else hold its call, and what the call holds."""

    def __init__(self, idle_s: float | None) -> None:
        self._idle_s = idle_s
        self._dropping = 0

    async def only(self, context: Context) -> Received:
        """The one request of a call; an error in its place where none came."""
        try:
            with self._telling("The client sent no request"):
                async with asyncio.timeout(self._idle_s):
                    request: Received = await context.read()
        except SoutuError as late:
            return Received(late)
        if request is _END:
            return Received(SoutuError(Reason.REQUEST_MALFORMED, "The call ended without a request."))
        return request

    async def all(self, context: Context) -> AsyncIterator[Received]:
        """The requests of a call, as they come."""
        while True:
            with self._telling("The client sent nothing more"):
                async with asyncio.timeout(self._idle_s):
                    request = await context.read()
            if request is _END:
                return
            yield request

    async def drop(self, context: Context) -> None:
        """Takes what a client still sends to a call that is about to be refused, and lets it go, while one
        message follows the other. Where a message of a grpc.aio client meets a call that has ended, it sees
        INTERNAL, and not why it is refused. No more than a few calls are treated so at a time: strangers
        cannot fill the memory."""
        if self._dropping >= _DROPPED_AT_ONCE:
            return
        self._dropping += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_DROPPED_S, (context.time_remaining() or math.inf) / 2)):
                    room = _DROPPED_BYTES
                    while room > 0 and (size := await self._dropped(context)):
                        room -= size
        finally:
            self._dropping -= 1

    async def _dropped(self, context: Context) -> int:
        """How large one more request was, at least 1, if one comes soon; 0 at the end."""
        async with asyncio.timeout(_PAUSE_S):
            request: Received = await context.read()
        return 0 if request is _END else max(request.size_bytes, 1)

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
