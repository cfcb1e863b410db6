"""What a contact sheet is made of."""

from collections.abc import Iterator

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2

from soutu.cli.tiles import sheet_of
from soutu.client import Client, Part, SoutuCallError
from soutu.v1.image_pb2 import Image, Origin
from soutu.v1.search_pb2 import Match, SearchReport, SearchResponse, StageTiming
from tests.unit.client.fake_server import Script, failure, served

GONE = failure(code_pb2.FAILED_PRECONDITION, "The file is gone.", "ORIGINAL_GONE")


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(script: Script) -> Iterator[Client]:
    with served(script) as address, Client(address, timeout_s=5) as client:
        yield client


def answer(*images: Image) -> SearchResponse:
    stages = [StageTiming(stage=name, duration=Duration(nanos=6_000_000)) for name in ("decode", "embed")]
    matches = [Match(name=image.name, score=0.9314, image=image) for image in images]
    report = SearchReport(model="models/gradient-color@1", stages=stages)
    return SearchResponse(matches=matches, report=report)


def named(image_id: str, title: str = "", path: str = "") -> Image:
    name = f"collections/photos/images/{image_id}"
    return Image(name=name, title=title, origin=Origin(path=path))


def test_a_match_shows_its_rank_name_score_and_folder(client: Client, script: Script) -> None:
    script.content = b"abcdef"
    found = answer(named("cat", path="pets/cat.jpg"), named("dog", title="Rex"), named("bird"))
    sheet = sheet_of(client, "photos", [Part(b"picture")], found)
    assert [(tile.mark, tile.caption, tile.detail) for tile in sheet.matches] == [
        ("1", "cat.jpg", "0.931 · pets"),
        ("2", "Rex", "0.931"),
        ("3", "bird", "0.931"),
    ]
    assert {tile.picture for tile in sheet.matches} == {b"abcdef"}


def test_the_head_says_how_the_answer_was_made(client: Client) -> None:
    sheet = sheet_of(client, "collections/photos", [Part(b"picture")], answer())
    assert sheet.title == "photos"
    assert sheet.subtitle.startswith("0 matches · gradient-color@1 · answered in 12 ms · ")


def test_weights_are_shown_where_there_are_several_parts(client: Client) -> None:
    query = [Part(b"one"), Part(b"two", weight=-0.5, region=(0, 0, 1, 0.5)), Part([1.0, 2.0], weight=2)]
    sheet = sheet_of(client, "photos", query, answer())
    assert [tile.mark for tile in sheet.queries] == ["+", "- 0.5", "+ 2"]
    assert [tile.region for tile in sheet.queries] == [None, (0, 0, 1, 0.5), None]
    assert [tile.picture for tile in sheet.queries] == [b"one", b"two", b""]


def test_a_picture_that_is_gone_leaves_a_blank(client: Client, script: Script) -> None:
    script.failures = [GONE]
    sheet = sheet_of(client, "photos", [Part(b"picture")], answer(named("cat")))
    assert sheet.matches[0].picture == b""


def test_a_server_that_is_gone_is_an_error() -> None:
    with Client("127.0.0.1:1", timeout_s=1) as client, pytest.raises(SoutuCallError):
        sheet_of(client, "photos", [Part(b"picture")], answer(named("cat")))
