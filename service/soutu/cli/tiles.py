"""Gathers what a contact sheet shows: pictures of the query, thumbnails of the matches."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path, PurePosixPath

from soutu.cli.sheet import TILE_PX, Sheet, Tile
from soutu.cli.tables import label, milliseconds
from soutu.client import Client, Part, SoutuCallError, Text
from soutu.client.names import id_of
from soutu.v1.image_pb2 import Image
from soutu.v1.search_pb2 import Match, SearchResponse

_DOWNLOADS = 4


def sheet_of(client: Client, collection: str, query: Sequence[Part], answer: SearchResponse) -> Sheet:
    """The sheet of a query and its answer, thumbnails downloaded from the server."""
    with ThreadPoolExecutor(_DOWNLOADS) as pool:
        queries = list(pool.map(lambda part: _query_tile(client, collection, part, len(query) > 1), query))
        matches = list(pool.map(lambda ranked: _match_tile(client, *ranked), enumerate(answer.matches, 1)))
    count = "1 match" if len(matches) == 1 else f"{len(matches)} matches"
    facts = (count, id_of(answer.report.model), f"answered in {milliseconds(answer.report.stages):.0f} ms")
    moment = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    return Sheet(id_of(collection), " · ".join([*facts, moment]), queries, matches)


def _match_tile(client: Client, rank: int, match: Match) -> Tile:
    folder = PurePosixPath(match.image.origin.path).parent.name
    detail = " · ".join(filter(None, [f"{match.score:.3f}", folder]))
    return Tile(_thumbnail(client, match.name), _caption(match.image), f"{rank}", detail)


def _caption(image: Image) -> str:
    return PurePosixPath(label(image)).name or id_of(image.name)


def _query_tile(client: Client, collection: str, part: Part, signed: bool) -> Tile:
    mark = f"{'+' if part.weight > 0 else '-'} {_weight(part.weight)}".strip() if signed else ""
    detail = "a region of it" if part.region else ""
    match part.subject:
        case Path():
            return Tile(part.subject.read_bytes(), part.subject.name, mark, detail, part.region)
        case bytes():
            return Tile(part.subject, "query", mark, detail, part.region)
        case str():
            image = client.images.get(part.subject, collection=collection)
            picture = _thumbnail(client, image.name)
            return Tile(picture, _caption(image), mark, detail or "stored", part.region)
        case Text(text):
            return Tile(b"", text, mark)
    return Tile(b"", "a vector", mark)


def _weight(weight: float) -> str:
    return "" if abs(weight) == 1 else f"{abs(weight):g}"


def _thumbnail(client: Client, name: str) -> bytes:
    """The thumbnail, or nothing where its original cannot be read any more: the sheet shows a blank."""
    try:
        return client.images.thumbnail(name, side=2 * TILE_PX)
    except SoutuCallError as error:
        if not error.reason:
            raise
        return b""
