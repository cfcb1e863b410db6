"""What Python values become in a search request."""

from pathlib import Path

import numpy as np
import pytest

from soutu.client import Part, Query, Text, Uri, search_request, vector_values
from soutu.v1.search_pb2 import Vector


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        (b"bytes", "image"),
        ("cat", "stored_image"),
        (Text("a cat"), "text"),
        (Uri("https://example.org/cat.jpg"), "uri"),
        ([0.6, 0.8], "vector"),
        (np.array([0.6, 0.8]), "vector"),
    ],
)
def test_the_kind_of_a_query_is_told_by_its_type(query: Query, kind: str) -> None:
    (part,) = search_request("photos", query).parts
    assert part.WhichOneof("subject") == kind
    assert not part.HasField("weight")


@pytest.mark.parametrize("text", ["\ud800", 5])
def test_what_is_no_text_is_told_before_it_is_sent(text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=r"^text "):
        search_request("photos", Text(text))


def test_a_path_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"picture")
    assert search_request("photos", tmp_path / "cat.jpg").parts[0].image == b"picture"


def test_parts_keep_their_weights_and_regions() -> None:
    query = [Part("cat"), Part("dog", weight=-0.5, region=(0, 0, 0.5, 1))]
    request = search_request("photos", query, page_size=3, exclude=["bird"], read_mask=["title"])
    cat, dog = request.parts
    assert (cat.stored_image, dog.weight, dog.region.right) == ("collections/photos/images/cat", -0.5, 0.5)
    assert (request.page_size, list(request.exclude)) == (3, ["collections/photos/images/bird"])
    assert list(request.read_mask.paths) == ["title"]


def test_an_image_of_a_generation_is_one_of_its_collection() -> None:
    request = search_request("collections/photos/generations/2", "cat")
    assert request.parts[0].stored_image == "collections/photos/images/cat"


def test_a_path_written_as_text_is_refused() -> None:
    with pytest.raises(ValueError, match=r"pathlib\.Path"):
        search_request("photos", "pictures/cat.jpg")


@pytest.mark.parametrize(
    "vector",
    [Vector(values=[0.5, 1.0]), Vector(float16_values=np.array([0.5, 1.0], "<f2").tobytes())],
    ids=["float32", "float16"],
)
def test_an_answers_vector_becomes_an_array(vector: Vector) -> None:
    values = vector_values(vector)
    assert values.dtype == np.float32
    assert values.tolist() == [0.5, 1.0]
