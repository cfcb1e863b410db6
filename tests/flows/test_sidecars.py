"""XMP files beside pictures, through builds, syncs and uploads on a real server."""

import io
import os
import tarfile
from pathlib import Path

from soutu.client import Client
from soutu.v1.image_pb2 import Image
from tests.flows.pictures import drawn, jpeg
from tests.unit.imaging.pictures import encoded
from tests.unit.imaging.xmps import sidecar


def images(client: Client, collection: str) -> dict[str, Image]:
    """The collection's images by the file that they came from."""
    return {image.origin.path: image for image in client.images.list(collection)}


def said(image: Image) -> tuple[int, list[str]]:
    return image.rating, list(image.tags)


def test_a_build_reads_sidecars_of_either_name(client: Client, collection: str, build_root: Path) -> None:
    root = build_root / collection
    (root / "deep").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "b.jpg", "deep/c.JPG", "plain.jpg")):
        (root / name).write_bytes(jpeg(500 + number, 64, 48))
    (root / "a.jpg.xmp").write_bytes(sidecar(5, "cat"))
    (root / "a.xmp").write_bytes(sidecar(1, "less near"))
    (root / "b.xmp").write_bytes(sidecar(3, "dog", "garden"))
    (root / "deep" / "c.JPG.XMP").write_bytes(sidecar(2))
    client.collections.build(collection, root).wait()
    found = images(client, collection)
    assert said(found["a.jpg"]) == (5, ["cat"])
    assert said(found["b.jpg"]) == (3, ["dog", "garden"])
    assert said(found["deep/c.JPG"]) == (2, [])
    assert said(found["plain.jpg"]) == (0, [])
    assert len(found) == 4


def test_a_sync_follows_sidecars_and_leaves_what_users_set(
    client: Client, collection: str, build_root: Path
) -> None:
    root = build_root / collection
    root.mkdir()
    picture, beside = root / "a.jpg", root / "a.jpg.xmp"
    picture.write_bytes(jpeg(510, 64, 48))
    beside.write_bytes(sidecar(3, "cat"))
    client.collections.sync(collection, root).wait()
    name = images(client, collection)["a.jpg"].name

    client.images.update(name, rating=1, tags=["mine"])
    os.utime(beside, ns=(1, 1_600_000_000_000_000_000))
    os.utime(picture, ns=(1, 1_600_000_000_000_000_000))
    client.collections.sync(collection, root).wait()
    assert said(client.images.get(name)) == (1, ["mine"])
    assert client.collections.sync(collection, root).wait().unchanged == 1

    beside.write_bytes(sidecar(4, "cat", "tom"))
    assert client.collections.sync(collection, root).wait().changed == 1
    assert said(client.images.get(name)) == (4, ["cat", "tom"])

    client.images.update(name, rating=2)
    picture.write_bytes(jpeg(511, 64, 48))
    client.collections.sync(collection, root).wait()
    assert said(client.images.get(name)) == (2, ["cat", "tom"])

    (root / "moved").mkdir()
    picture.rename(root / "moved" / "a.jpg")
    beside.rename(root / "moved" / "a.jpg.xmp")
    assert client.collections.sync(collection, root).wait().moved == 1
    assert client.collections.sync(collection, root).wait().unchanged == 1
    assert said(client.images.get(name)) == (2, ["cat", "tom"])

    (root / "moved" / "a.jpg.xmp").unlink()
    client.collections.sync(collection, root).wait()
    assert said(client.images.get(name)) == (2, ["cat", "tom"])
    assert client.collections.sync(collection, root).wait().unchanged == 1


def test_a_picture_that_moves_brings_its_new_sidecar_along(
    client: Client, collection: str, build_root: Path
) -> None:
    root = build_root / collection
    root.mkdir()
    for number, name in enumerate(("a", "b")):
        (root / f"{name}.jpg").write_bytes(jpeg(515 + number, 64, 48))
    (root / "a.jpg.xmp").write_bytes(sidecar(3, "cat"))
    client.collections.sync(collection, root).wait()
    names = {path: image.name for path, image in images(client, collection).items()}

    (root / "moved").mkdir()
    for name in ("a", "b"):
        (root / f"{name}.jpg").rename(root / "moved" / f"{name}.jpg")
    (root / "a.jpg.xmp").unlink()
    (root / "moved" / "a.xmp").write_bytes(sidecar(5, "tom"))
    (root / "moved" / "b.xmp").write_bytes(sidecar(4, "new"))
    result = client.collections.sync(collection, root).wait()
    assert (result.moved, result.changed, result.failed) == (2, 2, 0)
    assert said(client.images.get(names["a.jpg"])) == (5, ["tom"])
    assert said(client.images.get(names["b.jpg"])) == (4, ["new"])
    assert client.collections.sync(collection, root).wait().unchanged == 2


def test_a_sidecar_that_cannot_be_read_is_recorded_and_stops_no_picture(
    client: Client, collection: str, build_root: Path
) -> None:
    root = build_root / collection
    root.mkdir()
    for number, packet in enumerate((b"<broken", b"<!DOCTYPE x []><x/>", b" " * 2_000_000)):
        (root / f"{number}.jpg").write_bytes(jpeg(520 + number, 64, 48))
        (root / f"{number}.xmp").write_bytes(packet)
    operation = client.collections.build(collection, root)
    result = operation.wait()
    assert (result.added, result.failed) == (3, 0)
    failures = list(client.operations.failures(operation.name))
    assert [(each.subject, each.reason) for each in failures] == [
        (f"{number}.jpg", "SIDECAR_UNREADABLE") for number in range(3)
    ]
    assert client.collections.build(collection, root).wait().unchanged == 3


def test_sidecars_in_archives_and_beside_rows_of_manifests(
    client: Client, collection: str, build_root: Path
) -> None:
    root = build_root / collection
    root.mkdir()
    with tarfile.open(root / "pictures.tar.gz", "w:gz") as archive:
        for name, content in (
            ("p/A.xmp", sidecar(4, "archived")),
            ("p/a.jpg", jpeg(530, 64, 48)),
            ("p/b.jpg", jpeg(531, 64, 48)),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    client.collections.build(collection, root / "pictures.tar.gz").wait()
    (root / "m.jpg").write_bytes(jpeg(532, 64, 48))
    (root / "m.jpg.xmp").write_bytes(sidecar(2, "listed"))
    (root / "list.csv").write_text("path,rating\nm.jpg,5\n")
    client.collections.build(collection, root / "list.csv").wait()
    found = images(client, collection)
    assert said(found["p/a.jpg"]) == (4, ["archived"])
    assert said(found["p/b.jpg"]) == (0, [])
    assert said(found["m.jpg"]) == (5, ["listed"])


def test_annotations_within_a_picture_count_where_nobody_says_otherwise(
    client: Client, collection: str, build_root: Path
) -> None:
    picture = encoded(drawn(540, 64, 48), "JPEG", xmp=sidecar(3, "within"))
    assert said(client.images.upload(collection, picture, image_id="bare").image) == (3, ["within"])
    given = client.images.upload(collection, picture, image_id="said", rating=1, tags=["mine"])
    assert said(given.image) == (1, ["mine"])
    root = build_root / collection
    root.mkdir()
    (root / "a.jpg").write_bytes(picture)
    (root / "b.jpg").write_bytes(picture)
    (root / "b.xmp").write_bytes(sidecar(5))
    client.collections.build(collection, root).wait()
    found = images(client, collection)
    assert said(found["a.jpg"]) == (3, ["within"])
    assert said(found["b.jpg"]) == (5, [])
