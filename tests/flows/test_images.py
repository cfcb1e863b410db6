"""Images: uploaded, read, downloaded, deleted."""

import hashlib
import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.status_pb2 import Status
from PIL import Image as Pillow

from soutu.client import Client, Upload, error_of_status
from soutu.v1.attribute_pb2 import (
    ATTRIBUTE_TYPE_BOOLEAN,
    ATTRIBUTE_TYPE_INTEGER,
    ATTRIBUTE_TYPE_NUMBER,
    ATTRIBUTE_TYPE_STRING,
    ATTRIBUTE_TYPE_STRINGS,
    ATTRIBUTE_TYPE_TIMESTAMP,
    Attribute,
    AttributeValue,
    StringValues,
)
from soutu.v1.image_pb2 import KEEPING_STORED, Image
from soutu.v1.image_service_pb2 import (
    ON_CONFLICT_REPLACE,
    ON_DUPLICATE_CREATE,
    ON_DUPLICATE_REJECT,
    ON_DUPLICATE_RETURN_EXISTING,
    DownloadImageRequest,
    ListImagesRequest,
    StreamUploadImageRequest,
    UploadImageRequest,
)
from tests.flows import pictures
from tests.flows.refusals import refusal_of, refused
from tests.flows.served import Served

ESCAPES = [
    "../../etc/passwd",
    "..",
    ".",
    "a/b",
    "/etc/passwd",
    "%2e%2e",
    "a\\b",
    "Grossbuchstaben",
    "x" * 129,
    "a\0b",
    "é",
]


def downloaded(client: Client, name: str, collection: str) -> bytes:
    buffer = io.BytesIO()
    client.images.download(name, buffer, collection=collection)
    return buffer.getvalue()


def found(client: Client, collection: str, picture: bytes) -> list[str]:
    answer = client.search(collection, picture, page_size=100)
    return [match.name.rpartition("/")[2] for match in answer.matches]


def reason_in(status: Status) -> str:
    return error_of_status(status).reason if status.code else ""


def test_an_upload_is_answered_with_the_image_and_found(client: Client, collection: str) -> None:
    picture = pictures.jpeg(1, 300, 200)
    answer = client.images.upload(
        collection, picture, image_id="one", title="Käfer 虫", tags=["b", "a", "b"], rating=4, category="x"
    )
    image = answer.image
    assert answer.created
    assert answer.receipt.indexed
    assert image.name == f"collections/{collection}/images/one"
    assert (image.title, list(image.tags), image.rating, image.category) == ("Käfer 虫", ["b", "a"], 4, "x")
    assert image.content.sha256 == hashlib.sha256(picture).hexdigest()
    assert (image.content.width, image.content.height, image.content.size_bytes) == (300, 200, len(picture))
    assert image.content.media_type == "image/jpeg"
    assert image.keeping == KEEPING_STORED
    assert client.images.get("one", collection=collection) == image
    assert found(client, collection, picture) == ["one"]


def test_without_an_id_the_server_makes_one(client: Client, collection: str) -> None:
    names = {client.images.upload(collection, pictures.jpeg(1)).image.name for _ in range(3)}
    assert len(names) == 3
    assert client.images.count(collection) == 3


def test_a_taken_name_is_refused_and_nothing_changes(client: Client, collection: str) -> None:
    first = client.images.upload(collection, pictures.jpeg(1), image_id="one").image
    with refused("IMAGE_EXISTS"):
        client.images.upload(collection, pictures.jpeg(2), image_id="one")
    assert client.images.get("one", collection=collection) == first


def test_replace_keeps_uid_and_birth_and_changes_the_rest(client: Client, collection: str) -> None:
    first = client.images.upload(collection, pictures.jpeg(1), image_id="one", title="before").image
    client.images.upload(collection, pictures.jpeg(3), image_id="other")
    answer = client.images.upload(
        collection, pictures.jpeg(2), image_id="one", title="after", on_conflict=ON_CONFLICT_REPLACE
    )
    second = answer.image
    assert not answer.created
    assert (second.uid, second.create_time) == (first.uid, first.create_time)
    assert second.etag != first.etag
    assert second.title == "after"
    assert downloaded(client, "one", collection) == pictures.jpeg(2)
    best = client.search(collection, pictures.jpeg(2), min_revision=answer.receipt.revision).matches[0]
    assert best.name == second.name
    assert best.score == pytest.approx(1, abs=2e-3)
    old = client.search(collection, pictures.jpeg(1), min_revision=answer.receipt.revision)
    assert all(match.score < 0.99 for match in old.matches)


def test_duplicates_are_created_returned_or_rejected_as_asked(client: Client, collection: str) -> None:
    picture = pictures.jpeg(5)
    first = client.images.upload(collection, picture, image_id="first").image
    twin = client.images.upload(collection, picture, image_id="twin", on_duplicate=ON_DUPLICATE_CREATE)
    assert twin.created
    assert twin.image.uid != first.uid
    existing = client.images.upload(
        collection, picture, image_id="third", on_duplicate=ON_DUPLICATE_RETURN_EXISTING
    )
    assert not existing.created
    assert existing.image.name == first.name
    with refused("CONTENT_EXISTS"):
        client.images.upload(collection, picture, image_id="third", on_duplicate=ON_DUPLICATE_REJECT)
    assert [image.name.rpartition("/")[2] for image in client.images.list(collection)] == ["first", "twin"]
    assert found(client, collection, picture) == ["first", "twin"]


def test_a_request_id_makes_a_retry_safe(client: Client, collection: str) -> None:
    first = client.images.upload(collection, pictures.jpeg(1), request_id="r1")
    again = client.images.upload(collection, pictures.jpeg(1), request_id="r1")
    assert again.image == first.image
    assert again.created
    assert client.images.count(collection) == 1
    with refused("REQUEST_ID_REUSED"):
        client.images.upload(collection, pictures.jpeg(2), request_id="r1")
    with refused("REQUEST_ID_REUSED"):
        client.images.upload(collection, pictures.jpeg(1), request_id="r1", title="other")


def test_a_retry_gets_the_first_answer_also_after_the_image_is_gone(client: Client, collection: str) -> None:
    first = client.images.upload(collection, pictures.jpeg(1), image_id="one", request_id="r1")
    client.images.delete("one", collection=collection)
    again = client.images.upload(collection, pictures.jpeg(1), image_id="one", request_id="r1")
    assert again.image == first.image
    assert client.images.count(collection) == 0


def test_a_failed_request_does_not_use_up_its_id(client: Client, collection: str) -> None:
    with refused("IMAGE_FORMAT_UNSUPPORTED"):
        client.images.upload(collection, b"no picture", request_id="r1")
    assert client.images.upload(collection, pictures.jpeg(1), request_id="r1").created


def test_a_batch_keeps_the_good_and_says_why_not_in_order(client: Client, collection: str) -> None:
    uploads: list[bytes | Upload] = []
    expected = []
    for number, (bad, reason) in enumerate(pictures.poison().values()):
        uploads += [Upload(pictures.jpeg(number), {"image_id": f"good{number}"}), bad]
        expected += ["", reason]
    uploads.append(Upload(pictures.jpeg(50), {"image_id": "good0"}))
    expected.append("IMAGE_EXISTS")
    results = list(client.images.upload_many(collection, uploads))
    assert [reason_in(result.status) for result in results] == expected
    assert all(
        result.HasField("response") is not bool(reason)
        for result, reason in zip(results, expected, strict=True)
    )
    assert client.images.count(collection) == len(pictures.poison())
    assert len(found(client, collection, pictures.jpeg(0))) == len(pictures.poison())


def test_a_streamed_upload_is_as_good_as_a_whole_one(server: Served, collection: str) -> None:
    picture = pictures.png(1, 900, 700)
    answer = server.stubs.images.StreamUploadImage(streamed(collection, picture, 10_000))
    assert answer.image.name == f"collections/{collection}/images/streamed"
    assert downloaded(server.client, "streamed", collection) == picture


def streamed(collection: str, picture: bytes, size: int) -> Iterator[StreamUploadImageRequest]:
    yield StreamUploadImageRequest(
        upload=UploadImageRequest(parent=f"collections/{collection}", image_id="streamed")
    )
    for start in range(0, len(picture), size):
        yield StreamUploadImageRequest(chunk=picture[start : start + size])


def test_a_stream_that_breaks_its_rules_is_refused(server: Served, collection: str) -> None:
    head = StreamUploadImageRequest(upload=UploadImageRequest(parent=f"collections/{collection}"))
    full = StreamUploadImageRequest(
        upload=UploadImageRequest(parent=f"collections/{collection}", content=pictures.jpeg(1))
    )
    chunk = StreamUploadImageRequest(chunk=pictures.jpeg(1))
    broken = {
        "nothing": ([], "FIELD_INVALID"),
        "bytes first": ([chunk, head], "FIELD_INVALID"),
        "two heads": ([head, chunk, head], "FIELD_INVALID"),
        "an empty message": ([head, StreamUploadImageRequest()], "FIELD_INVALID"),
        "an empty chunk": ([head, StreamUploadImageRequest(chunk=b"")], "FIELD_INVALID"),
        "content in the head": ([full], "FIELD_INVALID"),
        "no bytes": ([head], "IMAGE_EMPTY"),
    }
    for name, (messages, reason) in broken.items():
        refusal = refusal_of(partial(server.stubs.images.StreamUploadImage, iter(messages)))
        assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", reason), name
    assert server.client.images.count(collection) == 0


def test_a_stream_that_grows_too_large_is_cut_off(server: Served, collection: str) -> None:
    sent = 0

    def endless() -> Iterator[StreamUploadImageRequest]:
        nonlocal sent
        yield StreamUploadImageRequest(upload=UploadImageRequest(parent=f"collections/{collection}"))
        while sent < 200:
            sent += 1
            yield StreamUploadImageRequest(chunk=b"\xff" * 1024 * 1024)

    refusal = refusal_of(lambda: server.stubs.images.StreamUploadImage(endless()))
    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "IMAGE_TOO_LARGE")
    assert sent < 100


def test_images_are_listed_by_name_page_by_page(server: Served, collection: str) -> None:
    names = [f"n{number:02}" for number in range(12)]
    uploads: list[bytes | Upload] = [
        Upload(pictures.png(number, 32, 32), {"image_id": name})
        for number, name in enumerate(reversed(names))
    ]
    list(server.client.images.upload_many(collection, uploads))
    listed: list[Image] = []
    request = ListImagesRequest(parent=f"collections/{collection}", page_size=5)
    request.read_mask.paths.append("name")
    while True:
        page = server.stubs.images.ListImages(request)
        assert len(page.images) <= 5
        listed += page.images
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert [image.name for image in listed] == [f"collections/{collection}/images/{name}" for name in names]
    assert all(image == Image(name=image.name) for image in listed)
    assert server.client.images.count(collection) == 12


def test_attributes_are_typed_and_checked_against_the_schema(
    client: Client, new_collection: Callable[[], str]
) -> None:
    name = "typed"
    kinds = {
        "maker": ATTRIBUTE_TYPE_STRING,
        "pieces": ATTRIBUTE_TYPE_INTEGER,
        "price": ATTRIBUTE_TYPE_NUMBER,
        "sold": ATTRIBUTE_TYPE_BOOLEAN,
        "since": ATTRIBUTE_TYPE_TIMESTAMP,
        "words": ATTRIBUTE_TYPE_STRINGS,
    }
    client.collections.create(name, attributes={key: Attribute(type=kind) for key, kind in kinds.items()})
    try:
        values = {
            "maker": AttributeValue(string_value="Ä"),
            "pieces": AttributeValue(integer_value=2**62),
            "price": AttributeValue(number_value=0.1),
            "sold": AttributeValue(boolean_value=False),
            "since": AttributeValue(timestamp_value=Timestamp(seconds=-1, nanos=5_000)),
            "words": AttributeValue(strings_value=StringValues(values=["a", "b"])),
        }
        client.images.upload(name, pictures.jpeg(1), image_id="one", attributes=values)
        kept = client.images.get("one", collection=name)
        assert dict(kept.attributes) == values
        wrong = {
            "maker": AttributeValue(integer_value=1),
            "pieces": AttributeValue(string_value="1"),
            "price": AttributeValue(number_value=float("nan")),
            "sold": AttributeValue(),
            "since": AttributeValue(timestamp_value=Timestamp(seconds=10**15)),
            "unknown": AttributeValue(string_value="x"),
        }
        for key, value in wrong.items():
            with refused("FIELD_INVALID", f"image.attributes.{key}"):
                client.images.upload(name, pictures.jpeg(2), attributes={key: value})
        assert client.images.count(name) == 1
    finally:
        client.collections.delete(name, force=True)


def test_a_deleted_image_is_gone_for_every_call_at_once(client: Client, collection: str) -> None:
    for number in range(6):
        client.images.upload(collection, pictures.jpeg(number), image_id=f"i{number}")
    for number in range(6):
        client.images.delete(f"i{number}", collection=collection)
        assert f"i{number}" not in found(client, collection, pictures.jpeg(number))
        with refused("IMAGE_NOT_FOUND"):
            client.images.get(f"i{number}", collection=collection)
        with refused("IMAGE_NOT_FOUND"):
            client.search(collection, f"i{number}")
    assert client.images.count(collection) == 0


def test_an_etag_guards_a_deletion(client: Client, collection: str) -> None:
    old = client.images.upload(collection, pictures.jpeg(1), image_id="one").image.etag
    new = client.images.upload(
        collection, pictures.jpeg(2), image_id="one", on_conflict=ON_CONFLICT_REPLACE
    ).image.etag
    with refused("ETAG_MISMATCH"):
        client.images.delete("one", collection=collection, etag=old)
    client.images.delete("one", collection=collection, etag=new)
    with refused("IMAGE_NOT_FOUND"):
        client.images.delete("one", collection=collection)
    client.images.delete("one", collection=collection, allow_missing=True)


def test_many_are_deleted_with_one_status_each(client: Client, collection: str) -> None:
    for number in range(3):
        client.images.upload(collection, pictures.jpeg(number), image_id=f"i{number}")
    answer = client.images.delete_many(collection, ["i0", "missing", "i2", "i0"])
    assert [reason_in(status) for status in answer.statuses] == ["", "IMAGE_NOT_FOUND", "", "IMAGE_NOT_FOUND"]
    revision = answer.receipt.revision
    assert [
        match.name[-2:]
        for match in client.search(collection, "i1", min_revision=revision, include_query_images=True).matches
    ] == ["i1"]
    lenient = client.images.delete_many(collection, ["missing", "i1"], allow_missing=True)
    assert [status.code for status in lenient.statuses] == [0, 0]


def test_a_new_image_under_an_old_name_is_another_image(client: Client, collection: str) -> None:
    first = client.images.upload(collection, pictures.jpeg(1), image_id="one").image
    client.images.delete("one", collection=collection)
    second = client.images.upload(collection, pictures.jpeg(2), image_id="one").image
    assert second.uid != first.uid
    assert found(client, collection, pictures.jpeg(2)) == ["one"]


def test_the_original_comes_back_byte_by_byte(client: Client, collection: str, tmp_path: Path) -> None:
    picture = pictures.png(3, 800, 600)
    assert len(picture) > 2 * 64 * 1024
    etag = client.images.upload(collection, picture, image_id="one").image.etag
    header = client.images.download("one", tmp_path / "one.png", collection=collection)
    assert (tmp_path / "one.png").read_bytes() == picture
    assert (header.media_type, header.size_bytes, header.etag) == ("image/png", len(picture), etag)


@pytest.mark.parametrize(("side", "size"), [(0, (256, 128)), (100, (100, 50)), (5_000, (900, 450))])
def test_a_thumbnail_is_a_small_jpeg_without_metadata(
    server: Served, collection: str, side: int, size: tuple[int, int]
) -> None:
    picture, buffer = pictures.drawn(4, 900, 450), io.BytesIO()
    exif = Pillow.Exif()
    exif[0x010F], exif[0x8825] = "Maker", {1: "N", 2: (48.0, 8.0, 0.0)}
    picture.save(buffer, "JPEG", exif=exif)
    server.client.images.upload(collection, buffer.getvalue(), image_id="one")
    request = DownloadImageRequest(
        name=f"collections/{collection}/images/one",
        variant=DownloadImageRequest.VARIANT_THUMBNAIL,
        thumbnail_side=side,
    )
    pieces = list(server.stubs.images.DownloadImage(request))
    data = b"".join(piece.chunk for piece in pieces[1:])
    assert pieces[0].header.media_type == "image/jpeg"
    assert pieces[0].header.size_bytes == len(data)
    drawn = Pillow.open(io.BytesIO(data))
    assert (drawn.format, drawn.size) == ("JPEG", size)
    assert not dict(drawn.getexif())
    assert b"Exif" not in data


@pytest.mark.parametrize("image_id", ESCAPES)
def test_ids_and_names_that_try_to_escape_are_refused(server: Served, collection: str, image_id: str) -> None:
    client = server.client
    with refused("FIELD_INVALID", "image_id"):
        client.images.upload(collection, pictures.jpeg(1), image_id=image_id)
    name = f"collections/{collection}/images/{image_id}"
    for call in (client.images.get, client.images.delete, client.images.thumbnail):
        with refused("FIELD_INVALID", "name"):
            call(name)
    with refused("FIELD_INVALID", "parts[0].stored_image"):
        client.search(collection, name)
