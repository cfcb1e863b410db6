import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.imaging.decode import decode
from soutu.imaging.job import DecodeJob
from soutu.imaging.limits import MIB, DecodeLimits
from soutu.imaging.pool import DecodePool
from soutu.imaging.process import DecoderProcess
from tests.unit.imaging.bombs import deep_png as _deep_png
from tests.unit.imaging.pictures import LIMITS, encoded, png, scene, slow_png
from tests.unit.imaging.pools import JOB, PHOTO, eventually, gone, opened, reason_of


@pytest.fixture
async def pool() -> AsyncIterator[DecodePool]:
    pool = DecodePool(2, LIMITS)
    await pool.start()
    yield pool
    await pool.close()


async def test_a_decoder_answers_as_the_function_does(pool: DecodePool) -> None:
    there, here = await pool.decode(PHOTO, JOB), decode(PHOTO, JOB, LIMITS)
    assert there.pixels is not None
    assert here.pixels is not None
    assert (there.pixels == here.pixels).all()
    assert there.pixels.shape == (48, 64, 3)
    assert there.pixels.flags.c_contiguous
    assert there.thumbnail == here.thumbnail
    assert (there.width, there.height, there.media_type, there.exif) == (300, 200, "image/jpeg", here.exif)
    nothing = await pool.decode(PHOTO, DecodeJob())
    assert (nothing.pixels, nothing.thumbnail) == (None, None)


async def test_refusals_keep_reason_message_and_metadata(pool: DecodePool) -> None:
    with pytest.raises(SoutuError) as refused:
        await pool.decode(png(8000, 8000), JOB)
    assert refused.value.reason is Reason.IMAGE_TOO_LARGE
    assert refused.value.metadata == {"limit": "pixels"}
    assert await reason_of(pool, b"") is Reason.IMAGE_EMPTY
    assert await reason_of(pool, b"text") is Reason.IMAGE_FORMAT_UNSUPPORTED
    assert await reason_of(pool, PHOTO[:500]) is Reason.IMAGE_UNREADABLE
    assert await reason_of(pool, bytes(LIMITS.size_bytes + 1)) is Reason.IMAGE_TOO_LARGE
    assert pool.replaced == 0


async def test_a_refused_picture_is_gone_without_the_garbage_collector(pool: DecodePool) -> None:
    picture = b"no picture" * 10
    holders = sys.getrefcount(picture)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            with suppress(SoutuError):  # pytest.raises would keep it in a circle of its own
                await pool.decode(picture, JOB)
        await asyncio.sleep(0)
        assert sys.getrefcount(picture) == holders
    finally:
        gc.enable()


async def test_large_files_and_many_callers_at_once_get_their_own_answers(pool: DecodePool) -> None:
    widths = [10 + n for n in range(40)]
    bulky = encoded(scene(1500, 1000), "BMP")
    small = [pool.decode(encoded(scene(width, 20), "PNG"), JOB) for width in widths]
    first, *others = await asyncio.gather(pool.decode(bulky, JOB), *small)
    assert (first.width, first.height) == (1500, 1000)
    assert [other.width for other in others] == widths
    assert pool.jobs == 41


async def test_a_memory_bomb_is_hostile_and_the_file_is_not_tried_again() -> None:
    pool = await opened(1, DecodeLimits(memory_bytes=48 * MIB))
    try:
        bomb = slow_png()
        assert await reason_of(pool, bomb) is Reason.IMAGE_HOSTILE
        assert (await pool.decode(PHOTO, JOB)).width == 300
        assert await reason_of(pool, bomb) is Reason.IMAGE_HOSTILE
        assert pool.replaced == 1
    finally:
        await pool.close()


async def test_the_largest_canvas_allowed_fits_the_memory_allowed(pool: DecodePool) -> None:
    assert (await pool.decode(png(10_000, 5000), JOB)).width == 10_000


async def test_a_decoder_killed_at_work_is_replaced_and_the_others_go_on(pool: DecodePool) -> None:
    before = set(pool.pids)
    working = asyncio.create_task(pool.decode(slow_png(), JOB))
    await asyncio.sleep(0.1)
    busy = max(before, key=cpu_ticks)
    os.kill(busy, signal.SIGKILL)
    answers = await asyncio.gather(*(pool.decode(PHOTO, JOB) for _ in range(20)), return_exceptions=True)
    [outcome] = await asyncio.gather(working, return_exceptions=True)
    assert all(getattr(answer, "width", 0) == 300 for answer in answers)
    assert isinstance(outcome, SoutuError)
    assert outcome.reason is Reason.IMAGE_HOSTILE
    await pool.decode(PHOTO, JOB)
    assert pool.replaced == 1


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def test_the_event_loop_goes_before_the_decoders(pool: DecodePool) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert [os.getpriority(os.PRIO_PROCESS, pid) > own for pid in pool.pids] == [True] * len(pool.pids)
    assert pool.pids


async def test_decoders_that_died_while_idle_cost_no_job(pool: DecodePool) -> None:
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    await eventually(pool.pids)
    answers = await asyncio.gather(*(pool.decode(PHOTO, JOB) for _ in range(4)))
    assert [answer.width for answer in answers] == [300] * 4


async def test_cancelled_calls_leave_every_answer_with_its_own_question(pool: DecodePool) -> None:
    for round_ in range(30):
        task = asyncio.create_task(pool.decode(encoded(scene(400, 10 + round_), "PNG"), JOB))
        await asyncio.sleep(0.001 * (round_ % 7))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        answer = await pool.decode(encoded(scene(200 + round_, 30), "PNG"), JOB)
        assert answer.width == 200 + round_
    assert pool.replaced == 0


async def test_interrupt_and_terminate_do_not_reach_a_decoder(pool: DecodePool) -> None:
    before = pool.pids
    for pid in before:
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
    await asyncio.gather(*(pool.decode(PHOTO, JOB) for _ in range(4)))
    assert pool.pids == before


async def test_close_lets_the_running_end_refuses_the_waiting_and_leaves_no_process() -> None:
    pool = await opened(1, LIMITS)
    before = pool.pids
    running = asyncio.create_task(pool.decode(slow_png(), JOB))
    await asyncio.sleep(0.02)
    waiting = asyncio.create_task(pool.decode(PHOTO, JOB))
    await asyncio.sleep(0)
    await pool.close()
    assert (await running).width == 8000
    with pytest.raises(SoutuError) as refused:
        await waiting
    assert refused.value.reason is Reason.SHUTTING_DOWN
    assert await reason_of(pool, PHOTO) is Reason.SHUTTING_DOWN
    assert pool.pids == []
    assert all(map(gone, before))


async def test_decoders_that_cannot_start_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for executable in ("/nonexistent/python", "/bin/false"):
        monkeypatch.setattr(sys, "executable", executable)
        with pytest.raises(SoutuError) as refused:
            await opened(2, LIMITS)
        assert refused.value.reason is Reason.DECODER_UNAVAILABLE


async def test_a_pool_recovers_once_decoders_can_be_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = await opened(1, LIMITS)
    try:
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", "/bin/false")
            os.kill(pool.pids[0], signal.SIGKILL)
            await eventually(pool.pids)
            assert await reason_of(pool, PHOTO) is Reason.DECODER_UNAVAILABLE
        assert (await pool.decode(PHOTO, JOB)).width == 300
    finally:
        await pool.close()


async def test_nonsense_from_a_decoder_is_not_believed() -> None:
    decoder = await DecoderProcess.start(LIMITS)
    try:
        with pytest.raises(EOFError):  # a job that is none: the decoder ends and nothing hangs
            await decoder.exchange((b"\x04\0\0\0\0\0\0\0", b"nope"))
    finally:
        await decoder.end()


def test_decoders_die_with_a_parent_that_is_killed() -> None:
    program = textwrap.dedent("""
        import asyncio, sys
        from soutu.imaging.limits import DecodeLimits
        from soutu.imaging.pool import DecodePool

        async def main():
            pool = DecodePool(2, DecodeLimits())
            await pool.start()
            print(*pool.pids, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """)
    source = str(Path(sys.modules["soutu"].__file__ or "").parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": source}
    ) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        parent.kill()
    assert len(pids) == 2
    assert asyncio.run(eventually(pids, within_s=3))


async def test_a_warm_decoder_is_small(pool: DecodePool) -> None:
    await asyncio.gather(*(pool.decode(PHOTO, JOB) for _ in range(8)))
    for pid in pool.pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        pss_kb = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        assert pss_kb < 60_000


async def test_slow_pictures_are_stood_in_for_and_others_pass_them_by(pool: DecodePool) -> None:
    first = pool.pids
    [usual] = niceness(first)
    slow = [asyncio.create_task(pool.decode(deep_png(n), JOB)) for n in range(2)]
    while niceness(first) != {min(19, usual + 10)}:
        assert not any(task.done() for task in slow)
        await asyncio.sleep(0.02)
    assert (await pool.decode(PHOTO, JOB)).width == 300
    assert not all(task.done() for task in slow)
    assert [(await task).width for task in slow] == [10_000, 10_000]
    await asyncio.gather(*(pool.decode(PHOTO, JOB) for _ in range(8)))
    assert niceness(pool.pids) == {usual}
    assert len(pool.pids) <= 4
    assert pool.replaced == 0


def niceness(pids: list[int]) -> set[int]:
    return {os.getpriority(os.PRIO_PROCESS, pid) for pid in pids}


@pytest.mark.slow
@pytest.mark.slow
async def test_no_more_than_twice_as_many_decoders_come_about(pool: DecodePool) -> None:
    slow = [asyncio.create_task(pool.decode(deep_png(n), JOB)) for n in range(6)]
    answers = await asyncio.gather(*slow, pool.decode(PHOTO, JOB))
    assert [answer.width for answer in answers] == [10_000] * 6 + [300]
    assert len(pool.pids) == 4


async def test_a_decoder_that_may_not_come_back_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DecoderProcess, "come_back", lambda self: False)
    pool = await opened(1, LIMITS)
    try:
        before = pool.pids
        assert (await pool.decode(deep_png(1), JOB)).width == 10_000
        assert await eventually(before)
        assert (await pool.decode(PHOTO, JOB)).width == 300
        assert pool.replaced == 0
    finally:
        await pool.close()


async def test_close_waits_for_slow_pictures_and_ends_those_who_stood_in() -> None:
    pool = await opened(1, LIMITS)
    slow = asyncio.create_task(pool.decode(deep_png(1), JOB))
    await asyncio.sleep(0.4)
    await pool.decode(PHOTO, JOB)
    before = pool.pids
    assert len(before) == 2
    await pool.close()
    assert (await slow).width == 10_000
    assert pool.pids == []
    assert all(map(gone, before))


def deep_png(number: int) -> bytes:
    """50 megapixels of 16 bits, which take a second or more; each number another file."""
    return _deep_png(16, 0, 1) + bytes([number])


async def test_a_picture_that_does_not_fit_the_socket_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soutu.imaging.process._SOCKET_BUFFER_BYTES", 4096)
    large = encoded(scene(1200, 900), "BMP")
    assert len(large) > 3_000_000
    pool = await opened(1, LIMITS)
    try:
        for picture in (large, PHOTO, large):
            there, here = await pool.decode(picture, JOB), decode(picture, JOB, LIMITS)
            assert there.pixels is not None
            assert (there.pixels == here.pixels).all()
    finally:
        await pool.close()


async def test_no_picture_waits_for_a_stand_in_that_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = await opened(2, LIMITS)
    starts, go = DecoderProcess.start, asyncio.Event()

    async def late(limits: DecodeLimits) -> DecoderProcess:
        await go.wait()
        return await starts(limits)

    monkeypatch.setattr(DecoderProcess, "start", late)
    slow = asyncio.create_task(pool.decode(deep_png(1), JOB))
    try:
        await asyncio.sleep(0.2)
        for _ in range(4):
            assert (await asyncio.wait_for(pool.decode(PHOTO, JOB), 5)).width == 300
        assert not slow.done()
    finally:
        go.set()
        await slow
        await pool.close()
