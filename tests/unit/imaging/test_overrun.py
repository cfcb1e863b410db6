"""A decoder's time is that of computing; what keeps it from that is not its picture's fault."""

import asyncio
import os
import signal
from contextlib import suppress

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.imaging.limits import DecodeLimits
from soutu.imaging.pool import DecodePool
from soutu.imaging.process import DecoderProcess
from tests.unit.imaging.pictures import encoded, scene, slow_png
from tests.unit.imaging.pools import JOB, PHOTO, eventually, gone, opened, reason_of


async def fault_of(pool: DecodePool, data: bytes) -> Reason:
    """Why the picture itself is refused, asked again while the machine is too busy to tell."""
    while (reason := await reason_of(pool, data)) is Reason.DECODER_UNAVAILABLE:
        pool.replaced -= 1
    return reason


async def test_an_overrun_is_too_slow_and_the_file_is_tried_once_more() -> None:
    pool = await opened(1, DecodeLimits(seconds=0.05))
    try:
        before, slow = pool.pids, slow_png()
        assert await fault_of(pool, slow) is Reason.IMAGE_TOO_SLOW
        assert (await pool.decode(PHOTO, JOB)).width == 300
        assert await eventually(before)
        assert await fault_of(pool, slow) is Reason.IMAGE_TOO_SLOW
        assert pool.replaced == 2
        assert await reason_of(pool, slow) is Reason.IMAGE_TOO_SLOW
        assert pool.replaced == 2
        assert await fault_of(pool, slow[:-1] + b"?") in (Reason.IMAGE_TOO_SLOW, Reason.IMAGE_UNREADABLE)
    finally:
        await pool.close()


async def test_a_stopped_decoder_is_killed_and_its_picture_is_not_to_blame() -> None:
    pool = await opened(1, DecodeLimits(seconds=0.3))
    try:
        for _ in range(3):
            before = pool.pids
            os.kill(before[0], signal.SIGSTOP)
            with pytest.raises(SoutuError) as refused:
                await pool.decode(PHOTO, JOB)
            assert refused.value.reason is Reason.DECODER_UNAVAILABLE
            assert "too busy" in refused.value.message
            assert await eventually(before)
            await pool.decode(encoded(scene(50, 40), "PNG"), JOB)
        assert (await pool.decode(PHOTO, JOB)).width == 300
        assert pool.replaced == 3
    finally:
        await pool.close()


async def test_a_decoder_that_is_kept_from_computing_has_longer() -> None:
    """One that computes for most of its time does, too, where it is kept from computing before and after."""
    pool = await opened(1, DecodeLimits(seconds=2.0))
    try:
        os.kill(pool.pids[0], signal.SIGSTOP)
        working = asyncio.create_task(pool.decode(slow_png(), JOB))
        for pause_s in (0.02, 2.5):
            await asyncio.sleep(pause_s)
            assert not working.done()
            os.kill(pool.pids[0], signal.SIGCONT)
            await asyncio.sleep(0.02)
            os.kill(pool.pids[0], signal.SIGSTOP)
        assert not working.done()
        os.kill(pool.pids[0], signal.SIGCONT)
        assert (await working).width == 8000
        assert pool.replaced == 0
    finally:
        await pool.close()


async def test_a_picture_that_computes_too_long_is_refused_however_slowly_it_does() -> None:
    pool = await opened(1, DecodeLimits(seconds=0.1))
    slow = slow_png()
    try:
        pausing = asyncio.create_task(halved(pool.pids[0]))
        first = await fault_of(pool, slow)
        pausing.cancel()
        assert first is Reason.IMAGE_TOO_SLOW
    finally:
        await pool.close()


async def halved(pid: int) -> None:
    """Lets the process compute for about half of the time, until it is gone."""
    while not gone(pid):
        for number in (signal.SIGSTOP, signal.SIGCONT):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            await asyncio.sleep(0.02)


async def test_a_decoder_sleeps_that_waits_and_was_not_stopped() -> None:
    """For its picture, here; one that sleeps in the midst of a picture has itself to blame."""
    decoder = await DecoderProcess.start(DecodeLimits())
    try:
        async with asyncio.timeout(5):
            while not decoder.sleeps():
                await asyncio.sleep(0.01)
        os.kill(decoder.pid, signal.SIGSTOP)
        async with asyncio.timeout(5):
            while decoder.sleeps():
                await asyncio.sleep(0.01)
    finally:
        await decoder.end()
    assert not decoder.sleeps(), "it is gone"
