"""`soutu generations`."""

from typing import TYPE_CHECKING, Annotated

import typer

from soutu.cli.connection import Connection, connected
from soutu.cli.failures import ExitCode
from soutu.cli.generation_terms import behind_text, estimate_text, index_text, parsed_index, state_text

if TYPE_CHECKING:
    from soutu.client import OperationHandle
    from soutu.v1.collection_pb2 import Generation

app = typer.Typer(
    help="Other indexes of a collection: list, estimate, create, publish, rollback, delete.",
    no_args_is_help=True,
)

CollectionArgument = Annotated[str, typer.Argument(help="The collection's id.")]
GenerationArgument = Annotated[str, typer.Argument(help="The generation's id.")]
ModelOption = Annotated[
    str, typer.Option(help="NAME or NAME@VERSION; that of the active generation if left out.")
]
IndexOption = Annotated[
    str, typer.Option(help="flat, hnsw, ...; as the active generation's if neither it nor --set is given.")
]
ParameterOption = Annotated[
    list[str] | None, typer.Option("--set", help="A build parameter, such as m=32.", metavar="NAME=NUMBER")
]


@app.command("list")
def list_generations(
    context: typer.Context,
    collection: CollectionArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one generation per line.")] = False,
) -> None:
    """List the generations of a collection, oldest first."""
    from soutu.cli.output import print_message, print_table
    from soutu.client.names import id_of

    with connected(context.obj) as connection:
        generations = list(connection.client.generations.list(collection))
        parts = connection.client.status().parts
    if as_json:
        for generation in generations:
            print_message(generation)
        return
    loading = any(part.part == "index" and not part.healthy for part in parts)
    rows = [
        (
            id_of(each.name),
            id_of(each.model),
            index_text(each.index),
            state_text(each),
            behind_text(each, loading),
        )
        for each in generations
    ]
    print_table(("id", "model", "index", "state", "behind"), rows, ("behind",), whole=("id", "model"))


@app.command()
def estimate(
    context: typer.Context,
    collection: CollectionArgument,
    model: ModelOption = "",
    index: IndexOption = "",
    parameters: ParameterOption = None,
) -> None:
    """Say what building a generation would take."""
    with connected(context.obj) as connection:
        asked = parsed_index(index, parameters or [])
        print(estimate_text(connection.client.generations.estimate(collection, model=model, index=asked)))


@app.command()
def create(
    context: typer.Context,
    collection: CollectionArgument,
    generation: Annotated[str, typer.Argument(help="Its id; the server makes one if left out.")] = "",
    model: ModelOption = "",
    index: IndexOption = "",
    parameters: ParameterOption = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish it as soon as it is built.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Build another generation beside the one that serves, and say first what it takes.

    Example: `soutu generations create photos finer --set m=32 --publish`
    """
    asked = parsed_index(index, parameters or [])
    with connected(context.obj) as connection:
        generations = connection.client.generations
        if not yes:
            print(estimate_text(generations.estimate(collection, model=model, index=asked)))
            typer.confirm("Build it?", abort=True)
        handle = generations.create(collection, generation, model=model, index=asked, publish=publish)
        _follow(connection, handle)
        made = handle.wait()
    print(f"{made.name} is built{' and published' if publish else ''}")


@app.command()
def publish(context: typer.Context, collection: CollectionArgument, generation: GenerationArgument) -> None:
    """Make a generation the one that searches use."""
    with connected(context.obj) as connection:
        print(connection.client.generations.publish(generation, collection).active_generation)


@app.command()
def rollback(context: typer.Context, collection: CollectionArgument) -> None:
    """Publish the generation that was active before."""
    with connected(context.obj) as connection:
        print(connection.client.generations.roll_back(collection).active_generation)


@app.command()
def delete(context: typer.Context, collection: CollectionArgument, generation: GenerationArgument) -> None:
    """Delete a generation that is not the active one. Images stay."""
    with connected(context.obj) as connection:
        connection.client.generations.delete(generation, collection)
    print(f"Generation {generation} of {collection} deleted")


def _follow(connection: Connection, handle: "OperationHandle[Generation]") -> None:
    from soutu.cli.output import say
    from soutu.cli.progress import show_progress

    try:
        show_progress(handle)
    except KeyboardInterrupt:
        if connection.inside:
            say(f"Stopped. `soutu operations wait {handle.name}` goes on from here.")
        else:
            say(f"The build goes on in the server; `soutu operations cancel {handle.name}` stops it.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
