"""`soutu search`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soutu.cli.connection import connected
from soutu.cli.failures import CommandError, ExitCode
from soutu.cli.query import QueryOptions, boost_of, query_of

if TYPE_CHECKING:
    from soutu.client import Client, Part
    from soutu.client.queries import SearchFields
    from soutu.v1.search_pb2 import SearchParameters, SearchResponse

_PAGE = 100
_WHAT = "PATH, id:ID or text:WORDS, also PATH=0.5."
PlusOption = Annotated[list[str] | None, typer.Option(help=f"Also like this: {_WHAT}")]
BoostOption = Annotated[
    list[str] | None, typer.Option(help="Add AMOUNT to scores: 'AMOUNT FILTER', within -1 to 1.")
]
MinusOption = Annotated[list[str] | None, typer.Option(help=f"Less like this: {_WHAT}")]


def search(
    context: typer.Context,
    image: Annotated[Path | None, typer.Argument(help="A picture.", show_default=False)] = None,
    collection: Annotated[
        str,
        typer.Option("--collection", "-c", help="The collection; may be left out where there is only one."),
    ] = "",
    stored: Annotated[str, typer.Option("--id", help="A stored image in place of a picture.")] = "",
    vector: Annotated[
        Path | None, typer.Option(help="A vector in a .npy file in place of a picture.")
    ] = None,
    text: Annotated[str, typer.Option(help="What it shows, in words; alone, or with a picture.")] = "",
    region: Annotated[
        str, typer.Option(help="The part to look at: LEFT,TOP,RIGHT,BOTTOM within 0 to 1.")
    ] = "",
    plus: PlusOption = None,
    minus: MinusOption = None,
    limit: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many matches.")] = 10,
    min_score: Annotated[
        float | None, typer.Option(min=-1, max=1, help="No matches below this score.")
    ] = None,
    filter_: Annotated[
        str, typer.Option("--filter", "-f", help="Only images like this: 'rating >= 3 AND tags:cat'.")
    ] = "",
    boost: BoostOption = None,
    exact: Annotated[bool, typer.Option(help="Compare with every vector: slow, and exact.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Draw query and matches into this PNG.")] = None,
) -> None:
    """Find the pictures most like a picture, a text, a stored image, a vector, or several together.

    Examples:

    `soutu search cat.jpg` — the ten most like it

    `soutu search --text "a cat in the snow"` — what the words say, where the model knows words

    `soutu search cat.jpg --region 0,0,0.5,1` — like its left half

    `soutu search cat.jpg --filter 'rating >= 3 AND tags:garden'` — of the pictures that I like

    `soutu search cat.jpg --boost '0.2 labels:animal'` — animals first

    `soutu search cat.jpg --plus id:garden-7 --minus dog.jpg=0.5` — cats in gardens, rather than dogs
    """
    if sheet:
        check_place(sheet)
    query = query_of(QueryOptions(image, stored, vector, text, region, plus or (), minus or ()))
    fields: SearchFields = {"filter": filter_, "boosts": [boost_of(each) for each in boost or ()]}
    if min_score is not None:
        fields["min_score"] = min_score
    if exact:
        fields["search_parameters"] = exact_search()
    with connected(context.obj) as connection:
        name = collection or only_collection(connection.client)
        answer = first_matches(connection.client, name, query, limit, fields)
        _print(answer, as_json)
        if sheet:
            _draw(connection.client, name, query, answer, sheet)


def exact_search() -> "SearchParameters":
    """The parameters of a search that compares with every vector."""
    from soutu.v1.search_pb2 import SearchParameters

    return SearchParameters(exact=True)


def check_place(sheet: Path) -> None:
    """Raises typer.BadParameter where no file of this path can be written."""
    folder = sheet.resolve().parent
    if not folder.is_dir():
        raise typer.BadParameter(f"There is no directory {folder}.", param_hint="--sheet")
    if sheet.is_dir() or not os.access(folder, os.W_OK):
        raise typer.BadParameter(f"{sheet} cannot be written.", param_hint="--sheet")


def only_collection(client: "Client") -> str:
    """The id of the one collection there is; raises CommandError where that is not so."""
    from soutu.client.names import id_of

    ids = [id_of(collection.name) for collection in client.collections.list()]
    if len(ids) == 1:
        return ids[0]
    if not ids:
        raise CommandError("There is no collection yet; `soutu build DIR --collection NAME` makes one.")
    raise CommandError(f"Say which collection with --collection: {', '.join(ids[:20])}.", ExitCode.USAGE)


def first_matches(
    client: "Client", collection: str, query: "list[Part]", limit: int, fields: "SearchFields"
) -> "SearchResponse":
    """The best `limit` matches, gathered from as many pages as they take."""
    fields = {**fields, "page_size": min(limit, _PAGE)}
    pages = client.search_pages(collection, query, **fields)
    answer = next(pages)
    while len(answer.matches) < limit and (page := next(pages, None)):
        answer.matches.extend(page.matches)
    del answer.matches[limit:]
    return answer


def _print(answer: "SearchResponse", as_json: bool) -> None:
    from soutu.cli.output import print_message, say
    from soutu.cli.tables import print_matches

    if as_json:
        print_message(answer)
        return
    print_matches(answer)
    for degradation in answer.report.degraded:
        say(f"Done without {degradation.part}: {degradation.reason}.")


def _draw(client: "Client", name: str, query: "list[Part]", answer: "SearchResponse", path: Path) -> None:
    from soutu.cli.output import say
    from soutu.cli.sheet import draw_sheet
    from soutu.cli.tiles import sheet_of

    draw_sheet(sheet_of(client, name, query, answer)).save(path, format="PNG")
    say(f"Drawn into {path}")
