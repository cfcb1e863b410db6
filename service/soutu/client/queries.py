"""Requests of the search service, made from what Python programs have at hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypeAlias, TypedDict, Unpack, cast

import numpy as np
from google.protobuf.field_mask_pb2 import FieldMask
from numpy.typing import NDArray

from soutu.client.given import checked_texts, made
from soutu.client.names import collection_name, image_name
from soutu.v1.geometry_pb2 import Region
from soutu.v1.search_pb2 import (
    Boost,
    ColorCondition,
    Grouping,
    QueryPart,
    Rerank,
    SearchParameters,
    SearchRequest,
    Vector,
)


@dataclass(frozen=True, slots=True)
class Text:
    """A query in words."""

    text: str


@dataclass(frozen=True, slots=True)
class Uri:
    """An http(s) address of a picture, which the server fetches if it allows the host."""

    uri: str


# Bytes and a Path are a picture; a str is a stored image's id or name, never a path; numbers are a vector.
Subject: TypeAlias = bytes | Path | str | Text | Uri | Sequence[float] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a query. `region` is (left, top, right, bottom) as shares of the picture's sides."""

    subject: Subject
    weight: float = 1.0
    region: tuple[float, float, float, float] | None = None


_PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif")

Query: TypeAlias = Subject | Part | Sequence[Part]


class SearchFields(TypedDict, total=False):
    """What a search may ask for beyond its query: the fields of SearchRequest, which says their meaning."""

    filter: str
    exclude: Sequence[str]  # ids or names
    include_query_images: bool
    page_size: int
    page_token: str
    min_score: float
    grouping: Grouping
    rerank: Rerank
    boosts: Sequence[Boost]
    colors: Sequence[ColorCondition]
    explain: bool
    read_mask: Sequence[str]
    min_revision: str
    search_parameters: SearchParameters
    skip_cache: NotRequired[bool]


def search_request(collection: str, query: Query, **fields: Unpack[SearchFields]) -> SearchRequest:
    """The request for one search of a collection or generation, by id or name."""
    exclude = [image_name(image, collection) for image in checked_texts(fields.pop("exclude", ()), "exclude")]
    mask = read_mask(fields.pop("read_mask", None))
    return made(
        SearchRequest,
        collection=collection_name(collection),
        parts=query_parts(query, collection),
        exclude=exclude,
        read_mask=mask,
        **cast(Any, fields),
    )


def read_mask(paths: Iterable[str] | None) -> FieldMask | None:
    """The mask with these paths; None where nothing is said."""
    return None if paths is None else FieldMask(paths=checked_texts(paths, "the fields asked for"))


def query_parts(query: Query, collection: str) -> list[QueryPart]:
    """The parts of a query; ids of stored images are those of `collection`."""
    if isinstance(query, Part):
        return [query_part(query, collection)]
    if isinstance(query, (list, tuple)) and query and isinstance(query[0], Part):
        return [query_part(part, collection) for part in cast(Sequence[Part], query)]
    return [query_part(Part(cast(Subject, query)), collection)]


def query_part(part: Part, collection: str = "") -> QueryPart:
    """One part as the contract writes it."""
    message = _subject(part.subject, collection)
    if part.weight != 1.0:
        message.weight = part.weight
    if part.region is not None:
        left, top, right, bottom = part.region
        message.region.CopyFrom(Region(left=left, top=top, right=right, bottom=bottom))
    return message


def _subject(subject: Subject, collection: str) -> QueryPart:
    match subject:
        case bytes():
            return QueryPart(image=subject)
        case Path():
            return QueryPart(image=subject.read_bytes())
        case str():
            return QueryPart(stored_image=image_name(subject, collection))
        case Text(text):
            return made(QueryPart, text=text)
        case Uri(uri):
            return QueryPart(uri=uri)
    return QueryPart(vector=Vector(values=_components(subject)))


def _components(vector: object) -> list[float]:
    wanted = "bytes or a pathlib.Path (a picture), a str (a stored image), Text, Uri, or numbers (a vector)"
    try:
        components = np.asarray(vector, np.float32)
    except (TypeError, ValueError) as error:
        raise TypeError(f"a query is {wanted}; these are no numbers: {type(vector).__name__}") from error
    if not components.ndim:
        raise TypeError(f"a query is {wanted}, not {type(vector).__name__}")
    values: list[float] = components.ravel().tolist()
    return values


def path_hint(parts: Iterable[QueryPart]) -> str:
    """What to write where a stored image that is asked for seems to be a file; else empty."""
    for image in (part.stored_image.rpartition("/")[2] for part in parts):
        if image.lower().endswith(_PICTURE_ENDINGS) or _is_file(image):
            return f"A str names a stored image; a file is given as pathlib.Path({image!r})."
    return ""


def _is_file(name: str) -> bool:
    try:
        return bool(name) and Path(name).is_file()
    except (OSError, ValueError):  # such as a name that is too long for this machine
        return False


def vector_values(vector: Vector) -> NDArray[np.float32]:
    """The components of an answer's vector, whichever of its two fields they are in."""
    if vector.float16_values:
        return np.frombuffer(vector.float16_values, "<f2").astype(np.float32)
    return np.fromiter(vector.values, np.float32, len(vector.values))
