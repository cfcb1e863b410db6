"""One decoder process, seen from the service: started, asked, ended."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Self

import soutu
from soutu.domain.errors import Reason, SoutuError
from soutu.imaging.limits import DecodeLimits
from soutu.imaging.wire import ANSWER_BYTES, ANSWER_HEAD, READY
from soutu.observe.precedence import step_back

START_TIMEOUT_S = 30.0
_NICE = 5  # than we are: the event loop, which everybody waits for, comes first, also while they start
_NICER = 10  # than that, once it gives way
_SOCKET_BUFFER_BYTES = 1024 * 1024
_SOURCE_ROOT = str(Path(soutu.__file__).parents[1])


class DecoderProcess:
    """A spawned `soutu.imaging.child` and the socket to it. One exchange at a time."""

    def __init__(self, process: "subprocess.Popen[bytes]", channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._niceness = 0  # known once it is ready

    @classmethod
    async def start(cls, limits: DecodeLimits) -> Self:
        """A process that is ready to decode; DECODER_UNAVAILABLE if none can be started."""
        try:
            process, channel = await asyncio.to_thread(_spawn, limits)
        except OSError as error:
            raise SoutuError(Reason.DECODER_UNAVAILABLE) from error
        decoder = cls(process, channel)
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await decoder._receive(len(READY))
                decoder._niceness = os.getpriority(os.PRIO_PROCESS, process.pid)
        except (OSError, EOFError) as error:  # TimeoutError is an OSError
            await decoder.end()
            raise SoutuError(Reason.DECODER_UNAVAILABLE) from error
        except BaseException:
            await decoder.end()
            raise
        return decoder

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def give_way(self) -> bool:
        """Lets whatever else the machine does go first, until `come_back`; False where that cannot be."""
        return self._set_niceness(min(19, self._niceness + _NICER))

    def come_back(self) -> bool:
        """Undoes `give_way`; False where the system does not allow it, as it does not to ordinary users."""
        return self._set_niceness(self._niceness)

    def _set_niceness(self, niceness: int) -> bool:
        try:
            os.setpriority(os.PRIO_PROCESS, self.pid, niceness)
        except OSError:
            return False
        return True

    def cpu_s(self) -> float:
        """The time that the process has computed so far; infinite where the system does not tell."""
        fields = self._stat()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else inf

    def sleeps(self) -> bool:
        """Whether the process waits for something that is neither a core nor a disk, nor was stopped."""
        return self._stat()[:1] == ["S"]

    def _stat(self) -> list[str]:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return []

    async def exchange(self, message: tuple[bytes, bytes]) -> tuple[tuple[int, int, int], bytearray]:
        """Send a job, receive (lengths, body) of its answer; OSError, EOFError or ValueError if it cannot."""
        await self._send(*message)
        lengths = ANSWER_HEAD.unpack(await self._receive(ANSWER_HEAD.size))
        if sum(lengths) > ANSWER_BYTES:
            raise ValueError("no answer is as long")
        return lengths, await self._receive(sum(lengths))

    async def _send(self, head: bytes, body: bytes) -> None:
        loop, sent = asyncio.get_running_loop(), 0
        with suppress(BlockingIOError):
            sent = self._channel.sendmsg((head, body))
        if sent < len(head):
            await loop.sock_sendall(self._channel, head[sent:])
        if sent < len(head) + len(body):
            await loop.sock_sendall(self._channel, memoryview(body)[max(sent - len(head), 0) :])

    async def _receive(self, length: int) -> bytearray:
        loop = asyncio.get_running_loop()
        received = bytearray(length)
        view = memoryview(received)
        while view:
            count = await loop.sock_recv_into(self._channel, view)
            if count == 0:
                raise EOFError("the decoder has ended")
            view = view[count:]
        return received

    async def end(self) -> None:
        """Kill the process and wait until it is gone. It keeps no state that could be lost."""
        self._process.kill()
        self._channel.close()
        await asyncio.to_thread(self._process.wait)


def _spawn(limits: DecodeLimits) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Start the child in a process group of its own, so that Ctrl-C at a terminal does not reach it."""
    ours, theirs = socket.socketpair()
    try:
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
        ours.setblocking(False)
        process = subprocess.Popen(
            [sys.executable, "-P", "-B", "-m", "soutu.imaging.child", json.dumps(asdict(limits))],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # codecs print what strangers' files make them print
            env=_environment(),
            process_group=0,
        )
        step_back(process.pid, _NICE)
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


def _environment() -> dict[str, str]:
    """Ours, with the package on the path and one thread and one heap per process.

    glibc keeps the memory of a usual picture from one to the next, in place of having it zeroed anew.
    """
    paths = [_SOURCE_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {
        "PYTHONPATH": os.pathsep.join(paths),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": str(16 * 1024 * 1024),
        "MALLOC_TRIM_THRESHOLD_": str(32 * 1024 * 1024),
    }
    return {**os.environ, **settings}
