"""Pictures are found by what they show, in words, under a real model of two towers."""

import json
from collections.abc import Iterator

import pytest
from PIL import Image

from soutu.client import Client, Part, Text, search_request, vector_values
from soutu.v1 import search_pb2 as search
from soutu.v1.geometry_pb2 import Region
from tests.contract.towers import CONTEXT, TWO_TOWERS, write_two_towers
from tests.flows import pictures
from tests.flows.cli import soutu
from tests.flows.refusals import refusal_of
from tests.flows.served import Served

COLOURS = {
    "red": (220, 30, 25),
    "green": (30, 200, 40),
    "blue": (20, 40, 220),
    "yellow": (230, 225, 30),
    "white": (250, 250, 250),
    "black": (5, 5, 5),
}
LONG = "red " * (CONTEXT + 1)


def painted(colour: tuple[int, int, int]) -> bytes:
    """A picture of one colour."""
    return pictures.encoded(Image.new("RGB", (64, 48), colour))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the model, and a collection of a picture of each colour."""
    served = Served(tmp_path_factory.mktemp("text"))
    write_two_towers(served.data_dir / "models" / TWO_TOWERS.name / TWO_TOWERS.version)
    with served:
        served.client.collections.create("colours", model=f"models/{TWO_TOWERS}")
        for name, colour in COLOURS.items():
            served.client.images.upload("colours", painted(colour), image_id=name)
        served.client.collections.create("wordless")
        served.client.images.upload("wordless", painted(COLOURS["red"]), image_id="red")
        yield served


@pytest.fixture
def client(served: Served) -> Client:
    return served.client


def best(answer: search.SearchResponse) -> str:
    return answer.matches[0].name.rpartition("/")[2]


def searching(*parts: search.QueryPart, collection: str = "colours") -> search.SearchRequest:
    return search.SearchRequest(collection=f"collections/{collection}", parts=parts)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *((name, name) for name in COLOURS),
        ("A photo of a RED picture", "red"),
        ("红色", "red"),
        ("蓝", "blue"),
        ("blue blue blue white", "blue"),
        ("\tgreen\n", "green"),
        ("\x01green\u200f", "green"),
    ],
)
def test_words_find_what_they_say(client: Client, text: str, found: str) -> None:
    answer = client.search("colours", Text(text))

    assert best(answer) == found
    assert not answer.report.degraded
    assert {"tokenize", "embed"} <= {stage.stage for stage in answer.report.stages}


def test_texts_and_pictures_combine_with_their_weights(client: Client) -> None:
    red, green, white = Part(painted(COLOURS["red"])), Text("green"), Text("white")

    assert best(client.search("colours", [red, Part(green), Part(white)])) == "yellow"
    assert best(client.search("colours", [red, Part(green, weight=0.01)])) == "red"
    assert best(client.search("colours", [red, Part(green, weight=3)])) == "green"
    steered = [Part("yellow"), Part(green, weight=-1), Part(white, weight=-1)]
    assert best(client.search("colours", steered)) == "red"


def test_a_batch_answers_each_text(client: Client) -> None:
    requests = [search_request("colours", Text(text)) for text in ("red", " ", "blue")]

    first, second, third = client.batch_search(requests).results

    assert (best(first.response), best(third.response)) == ("red", "blue")
    assert second.status.code == 3  # INVALID_ARGUMENT


def test_pages_of_a_text_make_the_whole(client: Client) -> None:
    whole = client.search("colours", Text("red"), page_size=6)
    pages = list(client.search_pages("colours", Text("red"), page_size=2))

    assert len(pages) == 3
    assert [match.name for page in pages for match in page.matches] == [each.name for each in whole.matches]


def test_a_page_token_belongs_to_its_text(served: Served) -> None:
    request = searching(search.QueryPart(text="red"))
    request.page_size = 2
    request.page_token = served.stubs.search.Search(request).next_page_token
    request.parts[0].text = "green"

    refusal = refusal_of(lambda: served.stubs.search.Search(request))

    assert refusal.reason == "PAGE_TOKEN_INVALID"


def test_an_answer_to_a_text_is_remembered(client: Client) -> None:
    query = Text("a red photo of white")
    first = client.search("colours", query)
    again = client.search("colours", query)

    assert (first.report.cached, again.report.cached) == (False, True)
    assert again.matches == first.matches
    assert best(client.search("colours", query, skip_cache=True)) == best(first)


def test_a_text_that_is_too_long_for_the_model_is_cut_off_and_said_so(client: Client) -> None:
    answer = client.search("colours", Text(LONG))

    assert best(answer) == "red"
    assert [(each.part, each.reason) for each in answer.report.degraded] == [("text", "TEXT_TRUNCATED")]
    compared = client.compare("colours", Text(LONG), "red")
    assert [each.reason for each in compared.report.degraded] == ["TEXT_TRUNCATED"]
    embedded = client.embed("colours", [Text("red"), Text(LONG), "red", Text(LONG)])
    assert list(embedded.truncated_inputs) == [1, 3]


def test_texts_compare_with_pictures(client: Client) -> None:
    alike = client.compare("colours", Text("red"), painted(COLOURS["red"]))
    unlike = client.compare("colours", Text("green"), "red")

    assert alike.score > 0.9 > 0 > unlike.score
    assert not alike.report.degraded


def test_embedded_texts_search_as_the_texts_do(client: Client) -> None:
    answer = client.embed(f"models/{TWO_TOWERS}", [Text("blue"), painted(COLOURS["blue"])])
    word, picture = (vector_values(vector) for vector in answer.vectors)

    assert word @ picture > 0.9
    assert not answer.truncated_inputs
    by_vector, by_text = client.search("colours", word), client.search("colours", Text("blue"))
    assert [match.name for match in by_vector.matches] == [match.name for match in by_text.matches]
    assert [match.score for match in by_vector.matches] == pytest.approx(
        [match.score for match in by_text.matches], abs=1e-3
    )


@pytest.mark.parametrize(
    "text", ["", " \t\n", "x" * 1_025, "\u200b", "\x00", "😀" * 1_025], ids=lambda text: repr(text[:4])
)
def test_a_text_that_says_nothing_or_too_much_is_refused(served: Served, text: str) -> None:
    part = search.QueryPart(text=text)
    for call in (
        lambda: served.stubs.search.Search(searching(search.QueryPart(text="red"), part)),
        lambda: served.stubs.search.Embed(
            search.EmbedRequest(model="collections/colours", inputs=[search.QueryPart(text="red"), part])
        ),
    ):
        refusal = refusal_of(call)
        assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
        assert "[1]" in refusal.field


@pytest.mark.parametrize(
    "text", ["😀" * 1_024, "中" * 1_024, "שלום עולם", "مرحبا", "\u202egreen", "é" * 1_024, "<|endoftext|>"]
)
def test_any_other_text_is_answered(client: Client, text: str) -> None:
    assert len(client.search("colours", Text(text)).matches) == len(COLOURS)


def test_half_a_character_is_no_text(served: Served) -> None:
    with pytest.raises((ValueError, TypeError)):
        served.client.search("colours", Text("\ud83d"))
    malformed = served.stubs.channel.unary_unary("/soutu.v1.SearchService/Search", bytes, bytes)
    inner = b"\x22\x03\xed\xa0\xbd"  # QueryPart.text, three bytes that are a lone surrogate

    refusal = refusal_of(lambda: malformed(b"\x0a\x13collections/colours" + b"\x12\x05" + inner))

    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "REQUEST_MALFORMED")


def test_a_text_has_no_region(served: Served) -> None:
    part = search.QueryPart(text="red", region=Region(right=1, bottom=1))

    refusal = refusal_of(lambda: served.stubs.search.Search(searching(part)))

    assert (refusal.reason, refusal.field) == ("FIELD_INVALID", "parts[0].region")


def test_a_model_without_words_says_so(served: Served) -> None:
    part = search.QueryPart(text="red")
    stored = search.QueryPart(stored_image="collections/wordless/images/red")
    for call in (
        lambda: served.stubs.search.Search(searching(part, collection="wordless")),
        lambda: served.stubs.search.Compare(
            search.CompareRequest(collection="collections/wordless", first=stored, second=part)
        ),
        lambda: served.stubs.search.Embed(search.EmbedRequest(model="models/gradient-color", inputs=[part])),
    ):
        refusal = refusal_of(call)
        assert (refusal.status, refusal.reason) == ("FAILED_PRECONDITION", "TEXT_UNSUPPORTED")
        assert "gradient-color@1" in refusal.message


def test_a_text_narrowed_by_a_filter(client: Client) -> None:
    answer = client.search("colours", Text("red"), filter='name != "red"', exclude=["yellow"])

    assert {match.name.rpartition("/")[2] for match in answer.matches} == set(COLOURS) - {"red", "yellow"}


def test_models_say_which_languages_they_read(client: Client) -> None:
    model = client.models.get(str(TWO_TOWERS))

    assert model.text_supported
    assert list(model.languages) == ["en", "zh"]
    assert not client.models.get("gradient-color").text_supported


def test_a_text_works_after_its_model_was_unloaded(client: Client) -> None:
    client.models.unload(str(TWO_TOWERS))

    assert best(client.search("colours", Text("black"), skip_cache=True)) == "black"
    assert client.models.load(str(TWO_TOWERS)).loaded


def test_the_command_line_takes_words(served: Served) -> None:
    place = ("--data-dir", str(served.data_dir))
    found = soutu(*place, "search", "--text", "红色", "-c", "colours", "--json")
    assert json.loads(found)["matches"][0]["name"] == "collections/colours/images/red"

    both = ("search", "-c", "colours", "--id", "red", "--text", "green", "--plus", "text:white", "--json")
    assert json.loads(soutu(*place, *both))["matches"][0]["name"] == "collections/colours/images/yellow"

    less = (
        "search",
        "-c",
        "colours",
        "--text",
        "yellow",
        "--minus",
        "text:red",
        "--minus",
        "text:white",
        "--json",
    )
    assert json.loads(soutu(*place, *less))["matches"][0]["name"] == "collections/colours/images/green"

    assert "TEXT_TRUNCATED" in soutu(*place, "search", "-c", "colours", "--text", LONG)
    assert "en zh" in soutu(*place, "models", "list")
    refused = soutu(*place, "search", "-c", "wordless", "--text", "red", ok=False)
    assert "has no text tower" in refused
