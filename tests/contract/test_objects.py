"""The ObjectStore port's promises, on the local directory and on obstore's own memory."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from scripts.stack.running import Running
from soutu.adapters.objects import LocalObjects, ObstoreObjects
from soutu.adapters.objects.s3 import Bucket, s3_objects
from soutu.domain.errors import Reason, SoutuError
from soutu.ports import ObjectStore
from tests.contract.servers import server

KEY = "contents/ab/abcd"


@pytest.fixture(params=["local", "memory", "s3"])
async def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return await LocalObjects.open(tmp_path / "objects")
    if request.param == "memory":
        return ObstoreObjects(MemoryStore())
    objects = s3_objects(bucket_of(request.getfixturevalue("s3"), prefix=tmp_path.name))
    await objects.delete(KEY)
    return objects


def bucket_of(s3: Running, prefix: str) -> Bucket:
    given = {name.rpartition("SOUTU_OBJECTS_")[2].lower(): value for name, value in s3.settings.items()}
    return Bucket(**{**given, "url": f"{given['url']}/{prefix}"})


@pytest.mark.parametrize("data", [b"", b"x", b"ab" * 5_000_000])
async def test_bytes_come_back_as_they_were_put(objects: ObjectStore, data: bytes) -> None:
    await objects.put(KEY, data)
    assert await objects.get(KEY) == data
    assert await objects.exists(KEY)


async def test_a_put_mends_what_was_damaged(objects: ObjectStore) -> None:
    await objects.put(KEY, b"damaged")
    await objects.put(KEY, b"as it should be")
    assert await objects.get(KEY) == b"as it should be"


async def test_puts_of_one_key_at_once_all_succeed(objects: ObjectStore) -> None:
    await asyncio.gather(*(objects.put(KEY, b"same") for _ in range(16)))
    assert await objects.get(KEY) == b"same"


async def test_a_stream_comes_in_order_and_in_pieces_of_at_most_the_size(objects: ObjectStore) -> None:
    data = bytes(range(256)) * 4000
    await objects.put(KEY, data)
    pieces = [piece async for piece in objects.stream(KEY, 65_536)]
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 65_536
    assert len(pieces) >= len(data) // 65_536


async def test_what_is_not_there_is_lost(objects: ObjectStore) -> None:
    assert not await objects.exists(KEY)
    with pytest.raises(SoutuError) as got:
        await objects.get(KEY)
    with pytest.raises(SoutuError) as streamed:
        _ = [piece async for piece in objects.stream(KEY, 10)]
    assert got.value.reason is streamed.value.reason is Reason.CONTENT_LOST


async def test_deleting_is_idempotent_and_a_key_may_be_put_again(objects: ObjectStore) -> None:
    await objects.put(KEY, b"first")
    await objects.delete(KEY)
    await objects.delete(KEY)
    assert not await objects.exists(KEY)
    await objects.put(KEY, b"second")
    assert await objects.get(KEY) == b"second"


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.b", "A", "a\0", "_staging/a"])
async def test_a_key_that_is_none_is_refused(objects: ObjectStore, key: str) -> None:
    for call in (objects.put(key, b""), objects.get(key), objects.exists(key), objects.delete(key)):
        with pytest.raises(SoutuError) as failure:
            await call
        assert failure.value.reason is Reason.FIELD_INVALID


# S3 alone


async def test_a_server_that_is_gone_is_unavailable_and_nothing_is_lost(tmp_path: Path) -> None:
    with server("s3", tmp_path) as first:
        objects = s3_objects(bucket_of(first, "p"))
        await objects.put(KEY, b"x")
    for call in (objects.put(KEY, b"y"), objects.get(KEY), objects.exists(KEY), objects.delete(KEY)):
        with pytest.raises(SoutuError) as failure:
            await call
        assert failure.value.reason is Reason.OBJECTS_UNAVAILABLE
    with server("s3", tmp_path) as second:
        assert await s3_objects(bucket_of(second, "p")).get(KEY) == b"x"


async def test_a_wrong_key_to_the_bucket_is_unavailable(s3: Running) -> None:
    bucket = replace(bucket_of(s3, "p"), secret_key="wrong")
    with pytest.raises(SoutuError) as failure:
        await s3_objects(bucket).put(KEY, b"x")
    assert failure.value.reason is Reason.OBJECTS_UNAVAILABLE
    assert "wrong" not in repr(bucket)


# The local directory alone


async def test_objects_are_there_after_opening_again_and_remains_are_not(tmp_path: Path) -> None:
    await (await LocalObjects.open(tmp_path)).put(KEY, b"x")
    (tmp_path / "_staging" / "half").write_bytes(b"written")
    again = await LocalObjects.open(tmp_path)
    assert await again.get(KEY) == b"x"
    assert list((tmp_path / "_staging").iterdir()) == []


async def test_a_disk_that_fails_is_unavailable_and_leaves_nothing(tmp_path: Path) -> None:
    objects = await LocalObjects.open(tmp_path)
    (tmp_path / "contents").write_bytes(b"a file where a directory belongs")
    with pytest.raises(SoutuError) as failure:
        await objects.put(KEY, b"x")
    assert failure.value.reason is Reason.OBJECTS_UNAVAILABLE
    assert list((tmp_path / "_staging").iterdir()) == []
    (tmp_path / "contents").unlink()
    await objects.put(KEY, b"x")
    assert await objects.get(KEY) == b"x"


async def test_a_directory_that_cannot_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SoutuError) as failure:
        await LocalObjects.open(tmp_path / "file" / "objects")
    assert failure.value.reason is Reason.OBJECTS_UNAVAILABLE


async def test_what_lies_under_a_key_was_synced_before_it_was_moved_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        synced.append((str(path.relative_to(tmp_path.resolve())), (tmp_path / KEY).exists()))
        sync(descriptor)

    objects = await LocalObjects.open(tmp_path)
    monkeypatch.setattr(os, "fsync", noted)
    await objects.put(KEY, b"x")
    assert synced[0][0].startswith("_staging/")
    assert not synced[0][1]
    assert synced[1:] == [("contents/ab", True), ("contents", True), (".", True)]


async def test_a_killed_writer_leaves_whole_objects_only(tmp_path: Path) -> None:
    script = (
        "import asyncio,sys,pathlib\n"
        "from soutu.adapters.objects import LocalObjects\n"
        "async def main():\n"
        "    objects = await LocalObjects.open(pathlib.Path(sys.argv[1]))\n"
        "    for n in range(10**9):\n"
        "        await objects.put(f'contents/{n:09d}', b'y' * 300_000)\n"
        "        print(n, flush=True)\n"
        "asyncio.run(main())\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "service")}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().split("\n")[:-1]
    stored = list((tmp_path / "contents").iterdir())
    assert len(stored) >= len(lines)
    assert {path.stat().st_size for path in stored} == {300_000}
