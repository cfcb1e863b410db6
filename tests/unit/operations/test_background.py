"""Work in the background ends when it is told to, and its faults are logged."""

import asyncio

from structlog.testing import capture_logs

from soutu.operations.background import in_background


async def test_it_goes_on_until_it_is_stopped() -> None:
    steps = 0

    async def work() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    stop = in_background(work(), "counting")
    await asyncio.sleep(0.01)
    await stop()
    stopped_at = steps
    await asyncio.sleep(0.01)
    assert steps == stopped_at > 1


async def test_a_fault_is_logged_with_the_name_of_the_work() -> None:
    async def work() -> None:
        raise RuntimeError("broken")

    with capture_logs() as lines:
        stop = in_background(work(), "breaking")
        await asyncio.sleep(0.01)
    await stop()
    assert [(line["log_level"], line["work"]) for line in lines] == [("error", "breaking")]
