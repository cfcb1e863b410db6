"""Syncing a collection with a directory in which nothing has changed, through a running server."""

import asyncio
import hashlib
import io
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from bench.models import bundled_folder, card_of
from bench.pictures import PICTURES, SHARD
from bench.report import Row, Table
from bench.scale import Scale
from bench.server import serving
from bench.stored import COLLECTION, DATA, made_whole, opened, settle
from soutu.client import Client
from soutu.domain.collection import CollectionDraft
from soutu.domain.embedding import Vector
from soutu.domain.image import Content, Keeping, Metadata, Origin, Original
from soutu.domain.model import ModelRef
from soutu.domain.writing import Put

TITLE = "Syncing files that have not changed"
ROUNDS = 3
_COMMIT = 1_000


def run(scale: Scale) -> list[Table]:
    """Medians of some rounds: a sync and a dry run by a client, and `soutu sync` from start to end."""
    directory = small_files(scale.files)
    data = synced_store(directory, scale.files)
    with serving(data, BUILD_ROOTS=str(PICTURES)) as server, Client(server.address) as client:
        until_ready(client)
        whole_s = timed(lambda: command(server.address, directory))
        sync_s, dry_s = (
            timed(lambda dry_run=dry_run: sync(client, directory, scale.files, dry_run=dry_run))
            for dry_run in (False, True)
        )
        rows = [
            Row("soutu sync, from its start to its end", whole_s, "s", "<= 5"),
            Row("sync", sync_s, "s", "<= 5"),
            Row("dry run", dry_s, "s", "<= 5"),
            Row("server and children, afterwards", server.memory_mib(), "MiB", remark="PSS"),
        ]
    return [Table(f"{scale.files:,} small files, median of {ROUNDS}", rows)]


def timed(work: Callable[[], None]) -> float:
    """The median time, in seconds, after one round that warms up."""
    seconds = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))


def sync(client: Client, directory: Path, count: int, *, dry_run: bool) -> None:
    done = client.collections.sync(COLLECTION, directory, dry_run=dry_run).wait()
    assert (done.unchanged, len(done.plan), done.failed) == (count, 0, 0), f"something had changed: {done}"


def command(address: str, directory: Path) -> None:
    given = ["--address", address, "sync", str(directory), "--collection", COLLECTION]
    ran = subprocess.run([sys.executable, "-m", "soutu.cli", *given], capture_output=True, text=True)
    assert "0 added, 0 changed, 0 moved, 0 vanished" in ran.stdout, ran.stdout + ran.stderr


def until_ready(client: Client) -> None:
    generation = client.collections.get(COLLECTION).active_generation
    while client.generations.get(generation).pending_changes:
        time.sleep(0.05)


def small_files(count: int) -> Path:
    """A directory of `count` JPEGs of some hundred bytes, no two alike."""
    directory = PICTURES / f"small-{count}"
    if not directory.exists():
        with made_whole(directory) as partial:
            head, tail = small_jpeg()
            for number in range(count):
                folder = partial / f"{number // SHARD:04}"
                folder.mkdir(exist_ok=True)
                comment = f"picture {number}".encode()
                marker = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big")
                (folder / f"{number:06}.jpg").write_bytes(head + marker + comment + tail)
    return directory


def small_jpeg() -> tuple[bytes, bytes]:
    """A JPEG in two parts, between which a comment may stand."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (90, 120, 150)).save(stream, "JPEG")
    return stream.getvalue()[:2], stream.getvalue()[2:]


def synced_store(directory: Path, count: int) -> Path:
    """A data directory whose catalogue knows all of these files, as a build would have left it; the vectors
    are drawn by lot, as no figure here depends on them."""
    data = DATA / f"sync-{count}"
    if not data.exists():
        with made_whole(data) as partial:
            asyncio.run(commit_files(partial, directory))
            asyncio.run(settle(partial))
    return data


async def commit_files(data: Path, directory: Path) -> None:
    model = card_of(bundled_folder())
    chance = np.random.default_rng(0)
    files = await asyncio.to_thread(lambda: sorted(directory.rglob("*.jpg")))
    async with opened(data) as service:
        catalog = service.adapters.catalog
        await catalog.create_collection(CollectionDraft(COLLECTION, model.ref, model.dimension))
        uid = (await catalog.head(COLLECTION)).collection.uid
        for first in range(0, len(files), _COMMIT):
            some = files[first : first + _COMMIT]
            vectors = chance.standard_normal((len(some), model.dimension)).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            puts = [put(directory, file, {model.ref: vectors[row]}) for row, file in enumerate(some)]
            await catalog.commit(uid, puts)


def put(directory: Path, file: Path, embeddings: Mapping[ModelRef, Vector]) -> Put:
    content, status = file.read_bytes(), file.stat()
    return Put(
        image_id=file.stem,
        content=Content(hashlib.sha256(content).hexdigest(), len(content), 8, 8, "image/jpeg"),
        original=Original(Keeping.REFERENCED, str(file), status.st_mtime_ns),
        metadata=Metadata(title=file.name),
        embeddings=embeddings,
        origin=Origin(str(directory), file.relative_to(directory).as_posix()),
    )
