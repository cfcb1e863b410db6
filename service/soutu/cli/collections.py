"""`soutu collections`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from soutu.cli.connection import connected

if TYPE_CHECKING:
    from soutu.client.collections import UpdatableFields
    from soutu.v1.collection_pb2 import LabelSet

app = typer.Typer(help="Collections: list, get, create, update, statistics, delete.", no_args_is_help=True)

CollectionArgument = Annotated[str, typer.Argument(help="The collection's id.")]

LabelsOption = Annotated[
    list[str] | None,
    typer.Option(
        help="A label set: `photographs`, which ships, or a TOML file with a table for each label, which may "
        "list `prompts`. Needs a model with a text tower."
    ),
]


@app.command("list")
def list_collections(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one collection per line.")] = False,
) -> None:
    """List collections, by id."""
    from soutu.cli.output import print_message, print_table
    from soutu.client.names import id_of

    with connected(context.obj) as connection:
        collections = list(connection.client.collections.list())
    if as_json:
        for collection in collections:
            print_message(collection)
        return
    rows = [(id_of(each.name), f"{each.image_count:,}", id_of(each.model)) for each in collections]
    print_table(("id", "images", "model"), rows, ("images",), whole=("id", "model"))


@app.command()
def get(context: typer.Context, collection: CollectionArgument) -> None:
    """Print everything that is known about a collection, as JSON."""
    from soutu.cli.output import print_message

    with connected(context.obj) as connection:
        print_message(connection.client.collections.get(collection))


@app.command()
def create(
    context: typer.Context,
    collection: CollectionArgument,
    model: Annotated[str, typer.Option(help="NAME or NAME@VERSION; the server's default if left out.")] = "",
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    labels: LabelsOption = None,
) -> None:
    """Make an empty collection."""
    from soutu.client.names import id_of, model_name

    named = model_name(model) if model else ""
    with connected(context.obj) as connection:
        made = connection.client.collections.create(
            collection, model=named, description=description, label_sets=_label_sets(labels or ())
        )
    print(f"Collection {collection} made, with {id_of(made.model)}")


@app.command()
def update(
    context: typer.Context,
    collection: CollectionArgument,
    display_name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            help="An attribute to add, as NAME=TYPE; TYPE is one of string, integer, number, "
            "boolean, timestamp, strings."
        ),
    ] = None,
    labels: LabelsOption = None,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Take the label sets away.")] = False,
) -> None:
    """Change what is said of a collection, or add attributes; what is left out stays.

    Example: `soutu collections update photos --attribute year=integer`
    """
    from soutu.cli.attributes import attributes_of

    fields: UpdatableFields = {}
    if display_name is not None:
        fields["display_name"] = display_name
    if description is not None:
        fields["description"] = description
    if attribute:
        fields["attributes"] = attributes_of(attribute)
    if labels or no_labels:
        fields["label_sets"] = _label_sets(labels or ())
    with connected(context.obj) as connection:
        connection.client.collections.update(collection, **fields)


@app.command()
def statistics(context: typer.Context, collection: CollectionArgument) -> None:
    """Print numbers about a collection's images, as JSON."""
    from soutu.cli.output import print_message

    with connected(context.obj) as connection:
        print_message(connection.client.collections.statistics(collection))


@app.command()
def delete(
    context: typer.Context,
    collection: CollectionArgument,
    force: Annotated[bool, typer.Option("--force", help="Also when it holds images.")] = False,
) -> None:
    """Delete a collection. Files that were built where they are stay untouched."""
    with connected(context.obj) as connection:
        connection.client.collections.delete(collection, force=force)
    print(f"Collection {collection} deleted")


def _label_sets(sources: Sequence[str]) -> "list[LabelSet]":
    from soutu.client import label_set

    try:
        return [label_set(source) for source in sources]
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--labels") from error
