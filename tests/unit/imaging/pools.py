"""Pools of decoders under test, what they are asked, and waiting for their processes to go."""

import asyncio
import time
from pathlib import Path

import pytest

from soutu.domain.errors import Reason, SoutuError
from soutu.domain.image import Region
from soutu.domain.model import InputSpec
from soutu.imaging.job import DecodeJob
from soutu.imaging.limits import DecodeLimits
from soutu.imaging.pool import DecodePool
from tests.unit.imaging.pictures import encoded, scene

JOB = DecodeJob(InputSpec(64, 48), Region(0, 0.1, 1, 0.9), thumbnail_side=40)
PHOTO = encoded(scene(300, 200), "JPEG")


async def opened(size: int, limits: DecodeLimits) -> DecodePool:
    pool = DecodePool(size, limits)
    await pool.start()
    return pool


async def reason_of(pool: DecodePool, data: bytes) -> Reason:
    with pytest.raises(SoutuError) as refused:
        await pool.decode(data, JOB)
    return refused.value.reason


def gone(pid: int) -> bool:
    """Whether no process has this id, or only one that has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


async def eventually(gone_pids: list[int], within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while not all(map(gone, gone_pids)) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return all(map(gone, gone_pids))
