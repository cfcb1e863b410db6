"""Uploads whole and in pieces, batches, downloads."""

import io
from pathlib import Path

import pytest

from soutu.client import Client, SoutuCallError, Upload
from soutu.client.uploads import BATCH_IMAGES
from tests.unit.client.fake_server import Script


def test_a_small_picture_is_sent_whole(client: Client, script: Script, tmp_path: Path) -> None:
    file = tmp_path / "cat.jpg"
    file.write_bytes(b"picture")
    answer = client.images.upload("photos", file, image_id="cat", title="Cat", tags=["pet"])
    request = script.calls[0][1]
    assert (request.parent, request.image_id, request.content) == ("collections/photos", "cat", b"picture")
    assert (answer.image.title, list(answer.image.tags)) == ("Cat", ["pet"])


def test_an_empty_picture_is_the_servers_to_refuse(client: Client, script: Script) -> None:
    client.images.upload("photos", b"")
    request = script.calls[0][1]
    assert request.WhichOneof("source") == "content"


def test_a_large_picture_is_sent_in_pieces(client: Client, script: Script, tmp_path: Path) -> None:
    file = tmp_path / "large.tif"
    content = bytes(range(256)) * 20_000
    file.write_bytes(content)
    client.images.upload("photos", file, image_id="large")
    (method, (head, pieces)), *_ = script.calls
    assert method == "StreamUploadImage"
    assert (head.image_id, head.WhichOneof("source")) == ("large", None)
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 1024 * 1024


def test_many_pictures_go_in_batches_in_order(client: Client, script: Script) -> None:
    pictures = [Upload(b"x", {"title": str(number)}) for number in range(BATCH_IMAGES + 3)]
    results = list(client.images.upload_many("photos", pictures))
    assert [result.response.image.title for result in results] == [str(number) for number in range(67)]
    assert script.methods == ["BatchUploadImages"] * 2


def test_a_list_goes_on_to_its_last_page(client: Client, script: Script) -> None:
    assert [image.title for image in client.images.list("photos")] == ["", "more"]
    assert script.methods == ["ListImages"] * 2


def test_a_download_is_written_as_it_comes(client: Client, script: Script, tmp_path: Path) -> None:
    script.content = b"abcdef"
    header = client.images.download("cat", tmp_path / "cat.jpg", collection="photos")
    assert header.media_type == "image/jpeg"
    assert [path.name for path in tmp_path.iterdir()] == ["cat.jpg"]
    assert (tmp_path / "cat.jpg").read_bytes() == b"abcdef"


def test_a_download_cut_short_leaves_nothing(client: Client, script: Script, tmp_path: Path) -> None:
    script.content = b"abc"
    with pytest.raises(SoutuCallError, match="DATA_LOSS"):
        client.images.download("cat", tmp_path / "cat.jpg", collection="photos")
    assert list(tmp_path.iterdir()) == []


def test_a_download_goes_to_an_open_stream(client: Client, script: Script) -> None:
    script.content = b"abcdef"
    stream = io.BytesIO()
    client.images.download("collections/photos/images/cat", stream)
    assert stream.getvalue() == b"abcdef"
