"""What the flows of those who run a deployment are written with."""

import io
from pathlib import Path

from soutu.client import Client
from soutu.v1.attribute_pb2 import (
    ATTRIBUTE_TYPE_INTEGER,
    ATTRIBUTE_TYPE_NUMBER,
    ATTRIBUTE_TYPE_STRINGS,
    ATTRIBUTE_TYPE_TIMESTAMP,
    Attribute,
)
from tests.flows import pictures

SCHEMA = {
    "year": Attribute(type=ATTRIBUTE_TYPE_INTEGER),
    "weight": Attribute(type=ATTRIBUTE_TYPE_NUMBER),
    "taken": Attribute(type=ATTRIBUTE_TYPE_TIMESTAMP),
    "people": Attribute(type=ATTRIBUTE_TYPE_STRINGS),
}


def filled(client: Client, name: str, count: int) -> None:
    client.collections.create(name, attributes=SCHEMA)
    for number in range(count):
        client.images.upload(name, pictures.jpeg(number), image_id=f"i{number}", title=f"Title {number}")


def downloaded(client: Client, name: str, collection: str) -> bytes:
    stream = io.BytesIO()
    client.images.download(name, stream, collection=collection)
    return stream.getvalue()


def scores(client: Client, collection: str, seed: int, count: int = 10) -> list[tuple[str, float]]:
    matches = client.search(collection, pictures.jpeg(seed), page_size=count).matches
    return [(match.name.rsplit("/", 1)[1], round(match.score, 3)) for match in matches]


def files_with(directory: Path, *traces: bytes) -> list[str]:
    """The files below the directory that hold one of the traces."""
    return [
        f"{file.relative_to(directory)}: {trace[:24]!r}"
        for file in sorted(directory.rglob("*"))
        if file.is_file()
        for data in [file.read_bytes()]
        for trace in traces
        if trace in data
    ]
