"""The query that options describe."""

from pathlib import Path

import numpy as np
import pytest
import typer

from soutu.cli.query import QueryOptions, boost_of, query_of
from soutu.client import Boost, Part, Text


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"picture")
    return path


def test_a_picture_and_its_region(cat: Path) -> None:
    query = query_of(QueryOptions(image=cat, region="0,0.25,0.5,1"))
    assert query == [Part(cat, region=(0, 0.25, 0.5, 1))]


def test_a_stored_image_in_place_of_a_picture() -> None:
    assert query_of(QueryOptions(stored="garden-7")) == [Part("garden-7")]


def test_more_pictures_with_weights(cat: Path) -> None:
    query = query_of(QueryOptions(image=cat, plus=["id:garden-7", f"{cat}=2"], minus=[f"{cat}=0.5"]))
    assert query == [Part(cat), Part("garden-7"), Part(cat, weight=2), Part(cat, weight=-0.5)]


def test_boosts_are_amounts_and_filters() -> None:
    assert boost_of("0.25 labels:cat") == Boost(filter="labels:cat", amount=0.25)
    assert boost_of(" -1 rating < 3 OR tags:dog ") == Boost(filter="rating < 3 OR tags:dog", amount=-1)
    for wrong in ("", "0.2", "labels:cat", "1.5 labels:cat", "nan rating=1", "1e0 rating=1", "٣ rating=1"):
        with pytest.raises(typer.BadParameter, match="AMOUNT FILTER"):
            boost_of(wrong)


def test_words_alone_and_with_pictures(cat: Path) -> None:
    assert query_of(QueryOptions(text="a cat")) == [Part(Text("a cat"))]
    query = query_of(QueryOptions(image=cat, text="in snow", plus=["text:a = b"], minus=["text:dogs=0.5"]))
    assert query == [
        Part(cat),
        Part(Text("in snow")),
        Part(Text("a = b")),
        Part(Text("dogs"), weight=-0.5),
    ]


def test_a_file_name_with_an_equals_sign_is_a_file_name(tmp_path: Path) -> None:
    path = tmp_path / "cat=2"
    path.write_bytes(b"picture")
    assert query_of(QueryOptions(plus=[str(path)])) == [Part(path)]


def test_a_vector_from_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "cat.npy", np.array([[0.5, 1.0]]))
    assert query_of(QueryOptions(vector=tmp_path / "cat.npy")) == [Part([0.5, 1.0])]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (QueryOptions(), "Give a picture"),
        (QueryOptions(image=Path("missing.jpg")), "There is no file"),
        (QueryOptions(stored="cat", vector=Path("cat.npy")), "one of"),
        (QueryOptions(region="0,0,1,1"), "--region needs a picture"),
        (QueryOptions(stored="cat", region="0,0,1"), "LEFT,TOP"),
        (QueryOptions(stored="cat", region="0.5,0,0.5,1"), "LEFT < RIGHT"),
        (QueryOptions(plus=["missing.jpg=0.5"]), "There is no file missing.jpg"),
    ],
)
def test_a_wrong_query_is_refused_with_a_sentence(options: QueryOptions, sentence: str) -> None:
    with pytest.raises(typer.BadParameter, match=sentence):
        query_of(options)


def test_what_is_no_array_is_refused(cat: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"numpy\.save"):
        query_of(QueryOptions(vector=cat))
