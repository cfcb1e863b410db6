"""The decoder process: `python -m soutu.imaging.child LIMITS`, its socket as standard input.

It decodes one job after another until the socket ends, which it does when the service ends, however that
came about. Past its memory limit, or well past its time of computing, it ends itself.
"""

import json
import os
import resource
import signal
import socket
import sys
import warnings
from pathlib import Path

from PIL import AvifImagePlugin, Image, PngImagePlugin

from soutu.domain.errors import SoutuError
from soutu.imaging.decode import decode
from soutu.imaging.limits import DecodeLimits
from soutu.imaging.wire import JOB_HEAD, READY, pack_answer, pack_refusal, unpack_job

OUT_OF_MEMORY = 3
# The parent, whose count decides, kills first; these are for when there is no parent any more.
_PATIENCE, _PATIENCE_ASLEEP = 4, 10


def main() -> None:
    """Serve jobs until the socket ends."""
    limits = DecodeLimits(**json.loads(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides when a decoder ends
    _prepare_codecs(limits)
    _restrict(limits.memory_bytes)
    with socket.socket(fileno=os.dup(0)) as service:
        service.sendall(READY)
        _serve(service, limits)


def _prepare_codecs(limits: DecodeLimits) -> None:
    """Settings that Pillow keeps for the whole process; ours are checked before and are stricter."""
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None
    PngImagePlugin.MAX_TEXT_MEMORY = limits.metadata_bytes
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def _restrict(memory_bytes: int) -> None:
    """No core files; no more address space than now and `memory_bytes` (where the system counts it)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes, used + memory_bytes))


def _serve(service: socket.socket, limits: DecodeLimits) -> None:
    while head := _received(service, JOB_HEAD.size):
        text_bytes, data_bytes = JOB_HEAD.unpack(head)
        job = unpack_job(bytes(_received(service, text_bytes)))
        data = bytes(_received(service, data_bytes))
        seconds = limits.seconds_allowed(data)
        signal.setitimer(signal.ITIMER_PROF, _PATIENCE * seconds)  # of computing
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_ASLEEP * seconds)
        try:
            answer = pack_answer(decode(data, job, limits))
        except SoutuError as error:
            answer = pack_refusal(error)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)  # a fresh process is surer than one that has just run out
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        service.sendall(answer)


def _received(service: socket.socket, length: int) -> bytearray:
    """Exactly `length` bytes; none where the service has closed its end."""
    received = bytearray(length)
    view = memoryview(received)
    while view:
        count = service.recv_into(view)
        if count == 0:
            return bytearray()
        view = view[count:]
    return received


if __name__ == "__main__":
    main()
