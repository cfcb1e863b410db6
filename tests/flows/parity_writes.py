"""What the two services of the parity tests are told: a build, uploads, updates, deletions."""

import csv
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from soutu.client import Client, SoutuCallError, Upload
from soutu.v1.attribute_pb2 import (
    ATTRIBUTE_TYPE_BOOLEAN,
    ATTRIBUTE_TYPE_INTEGER,
    ATTRIBUTE_TYPE_NUMBER,
    ATTRIBUTE_TYPE_STRING,
    Attribute,
    AttributeValue,
)
from soutu.v1.collection_pb2 import INDEX_TYPE_FLAT, Index
from soutu.v1.image_service_pb2 import (
    ON_CONFLICT_REPLACE,
    ON_DUPLICATE_REJECT,
    ON_DUPLICATE_RETURN_EXISTING,
)
from tests.flows import pictures
from tests.flows.parity import Pair

SHELF = "shelf"
FEW = "few"
UPLOADED = 30
TWINS = 9  # of the first pictures uploaded
BUILD_S = 600.0
SIZE = (96, 72)
FLAT = Index(type=INDEX_TYPE_FLAT)
BEYOND_FLOATS = 2**53
ATTRIBUTES = {
    "price": Attribute(type=ATTRIBUTE_TYPE_NUMBER),
    "batch": Attribute(type=ATTRIBUTE_TYPE_INTEGER),
    "place": Attribute(type=ATTRIBUTE_TYPE_STRING),
    "sold": Attribute(type=ATTRIBUTE_TYPE_BOOLEAN),
}
COLUMNS = ("path", "image_id", "title", "category", "rating", "tags", "attributes.price", "attributes.batch")


def fill(both: Pair, directory: Path, shown: Sequence[tuple[str, bytes]]) -> None:
    """Makes the collections of both: SHELF with all the pictures shown, and FEW."""
    for name in (SHELF, FEW):
        both.told(partial(made, name=name))
    source = manifest(directory / "photos", shown)
    assert both.told(partial(built, source=source)) == (len(shown), 0, 0)
    for number in range(UPLOADED):
        for name in (SHELF, FEW):
            assert both.told(partial(uploaded, name=name, number=number))[1], "it was to be waited for"
    both.told(written_over)
    both.told(updated)
    both.told(deleted)
    assert both.told(lambda client: client.images.count(SHELF)) == len(shown) + UPLOADED + TWINS - 4


def made(client: Client, name: str) -> str:
    """The name of a new collection."""
    return client.collections.create(name, index=FLAT, attributes=ATTRIBUTES).name


def manifest(place: Path, shown: Sequence[tuple[str, bytes]]) -> Path:
    """A manifest of the pictures, p0 and so on, in a directory that is made."""
    place.mkdir()
    with (place / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for number, (category, content) in enumerate(shown):
            (place / f"{number}.jpg").write_bytes(content)
            row = [f"{number}.jpg", f"p{number}", f"Picture {number}", category, number % 6]
            batch = BEYOND_FLOATS + number if number % 3 == 0 else ""
            table.writerow([*row, f"all;mod{number % 5}", number / 8, batch])
    return place / "manifest.csv"


def built(client: Client, source: Path) -> tuple[int, int, int]:
    """How many images were added, unchanged, and failed."""
    done = client.collections.build(SHELF, source).wait(BUILD_S)
    return done.added, done.unchanged, done.failed


def uploaded(client: Client, name: str, number: int) -> tuple[str, bool]:
    """The image's name, and whether it was in the index when the answer came."""
    answer = client.images.upload(
        name,
        pictures.png(number, *SIZE),
        image_id=f"u{number}",
        title=f"grün {number}",
        rating=number % 6,
        tags=["ALL"] if number % 3 else [],
        attributes={
            "price": AttributeValue(number_value=number * 1.5),
            "place": AttributeValue(string_value='b"c' if number % 4 else "a"),
            "sold": AttributeValue(boolean_value=number % 2 == 0),
        },
    )
    return answer.image.name, answer.receipt.indexed


def written_over(client: Client) -> list[object]:
    """Twins of what is there, in one batch with a bad picture; duplicates; another picture in a place."""
    twins = [Upload(pictures.png(number, *SIZE), {"image_id": f"t{number}"}) for number in range(TWINS)]
    poison = Upload(b"no picture", {"image_id": "poison"})
    results = client.images.upload_many(SHELF, [*twins, poison])
    codes = [result.status.code for result in results]
    first = pictures.png(0, *SIZE)
    existing = client.images.upload(SHELF, first, on_duplicate=ON_DUPLICATE_RETURN_EXISTING)
    replaced = client.images.upload(
        SHELF, pictures.png(1_000, *SIZE), image_id="u9", on_conflict=ON_CONFLICT_REPLACE
    )
    refusals = [
        _refused(lambda: client.images.upload(SHELF, first, on_duplicate=ON_DUPLICATE_REJECT)),
        _refused(lambda: client.images.upload(SHELF, pictures.png(2, *SIZE), image_id="u2")),
    ]
    return [codes, existing.image.name, replaced.image.name, replaced.receipt.indexed, refusals]


def updated(client: Client) -> list[object]:
    """Other titles, categories and attributes for uploaded and built images, by both the same."""
    answers = [
        client.images.update(f"p{number}", collection=SHELF, category="moved", rating=5)
        for number in range(0, 60, 4)
    ]
    price = {"price": AttributeValue(number_value=777)}
    answers.append(client.images.update("u3", collection=SHELF, title="", attributes=price))
    answers.append(client.images.update("u5", collection=SHELF, tags=["new", "ALL"]))
    return [(answer.image.name, answer.image.title, answer.receipt.indexed) for answer in answers]


def deleted(client: Client) -> list[object]:
    """Uploaded and built images, a twin, and one that was never there."""
    one = client.images.delete("u4", collection=SHELF)
    many = client.images.delete_many(SHELF, ["p5", "p6", "t3", "nobody"])
    gone = _refused(lambda: client.images.get("p5", collection=SHELF))
    return [one.receipt.indexed, [status.code for status in many.statuses], many.receipt.indexed, gone]


def _refused(call: Callable[[], object]) -> str:
    try:
        call()
    except SoutuCallError as error:
        return f"{error.status} {error.reason}"
    raise AssertionError("the call was answered")
