"""What a program gives wrongly is told in a sentence, before anything is sent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soutu.client import Client, Tls
from tests.unit.client.fake_server import Script

WRONG: dict[str, tuple[Callable[[Any], object], str]] = {
    "a query": (lambda client: client.search("c", 5), "a query is bytes or a pathlib.Path"),
    "no query": (lambda client: client.search("c", None), "not NoneType"),
    "words": (lambda client: client.search("c", ["cat"]), "these are no numbers"),
    "collection": (lambda client: client.search(5, b"x"), "collection must be a str, not int"),
    "page size": (
        lambda client: client.search("c", b"x", page_size="5"),
        "page_size must be an int, not str",
    ),
    "filter": (lambda client: list(client.images.list("c", filter=5)), "filter must be a str, not int"),
    "no field": (lambda client: client.search("c", b"x", nope=1), "SearchRequest has no field 'nope'"),
    "exclude": (
        lambda client: client.search("c", b"x", exclude="i"),
        "exclude must be a list of str, not str",
    ),
    "image": (lambda client: client.images.get(None), "an image must be a str, its id or name, not None"),
    "picture": (
        lambda client: client.images.upload("c", "a.jpg"),
        "must be bytes or a pathlib.Path, not str",
    ),
    "tags": (
        lambda client: client.images.upload("c", b"x", tags="cat"),
        "tags must be a list of str, not str",
    ),
    "a tag": (lambda client: client.images.upload("c", b"x", tags=[5]), "a list of str, not a list of int"),
    "attributes": (
        lambda client: client.images.upload("c", b"x", attributes={"a": 5}),
        "attributes must be a dict of AttributeValue by str",
    ),
    "fields": (lambda client: client.images.facets("c", "tags"), "fields must be a list of str, not str"),
    "source": (lambda client: client.collections.build("c", "/x"), "a pathlib.Path or a Source, not str"),
    "directory": (lambda client: client.collections.sync("c", None), "a pathlib.Path or a Source, not None"),
    "backup": (lambda client: client.admin.backup("/x"), "directory must be a pathlib.Path, not str"),
    "purge": (lambda client: client.admin.purge("c", "i"), "images must be a list of str, not str"),
    "operation": (lambda client: client.operations.get(5), "an operation must be a str"),
    "inputs": (lambda client: client.embed("c", 5), "inputs must be a list of what a query may be"),
    "requests": (lambda client: client.batch_search([5]), "requests must be a list of SearchRequest"),
    "address": (lambda client: Client(5), "address must be a str"),  # type: ignore[arg-type]
    "timeout": (lambda client: Client(timeout_s="5"), "timeout_s must be a number"),  # type: ignore[arg-type]
    "tls": (lambda client: Client(tls="ca.pem"), "tls must be a Tls"),  # type: ignore[arg-type]
    "authorities": (lambda client: Tls("ca.pem"), "authorities must be PEM bytes"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_of_a_wrong_type_is_told_and_not_sent(client: Client, script: Script, case: str) -> None:
    call, sentence = WRONG[case]
    with pytest.raises(TypeError) as refused:
        call(client)
    assert sentence in str(refused.value)
    assert script.calls == []


def test_a_number_beyond_its_range_is_a_value_error(client: Client, script: Script) -> None:
    with pytest.raises(ValueError, match="rating is out of range"):
        client.images.upload("c", b"x", rating=2**40)
    assert script.calls == []


def test_what_is_right_is_sent(client: Client, script: Script, tmp_path: Path) -> None:
    client.search("c", np.ones(3), exclude=("a", "b"), page_size=np.int64(5))  # type: ignore[arg-type]
    ((_, request),) = script.calls
    assert list(request.exclude) == ["collections/c/images/a", "collections/c/images/b"]
    assert request.page_size == 5
