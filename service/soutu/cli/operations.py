"""`soutu operations`."""

from typing import Annotated

import typer

from soutu.cli.connection import connected

app = typer.Typer(help="Long work: list, get, wait, cancel, failures.", no_args_is_help=True)

OperationArgument = Annotated[str, typer.Argument(help="The operation's id.")]


@app.command("list")
def list_operations(context: typer.Context) -> None:
    """List operations and how far they are."""
    from soutu.cli.output import print_table
    from soutu.cli.progress import state_text
    from soutu.client import metadata_of
    from soutu.client.names import id_of

    with connected(context.obj) as connection:
        found = [(id_of(each.name), metadata_of(each)) for each in connection.client.operations.list()]
    rows = [
        (
            name,
            each.kind,
            id_of(each.target),
            state_text(each),
            f"{each.done:,}/{each.total:,}",
            f"{each.failed:,}",
        )
        for name, each in found
    ]
    print_table(("id", "kind", "of", "state", "done", "failed"), rows, right=("done", "failed"))


@app.command()
def get(context: typer.Context, operation: OperationArgument) -> None:
    """Print an operation as JSON."""
    from soutu.cli.output import print_message

    with connected(context.obj) as connection:
        print_message(connection.client.operations.get(operation))


@app.command()
def wait(context: typer.Context, operation: OperationArgument) -> None:
    """Follow an operation to its end; fails if it failed."""
    from google.protobuf.message import Message

    from soutu.cli.progress import show_progress
    from soutu.client import error_of_status

    with connected(context.obj) as connection:
        operations = connection.client.operations
        show_progress(operations.handle(operations.get(operation), Message))
        ended = operations.get(operation)
    if ended.HasField("error"):
        raise error_of_status(ended.error)


@app.command()
def cancel(context: typer.Context, operation: OperationArgument) -> None:
    """Ask an operation to stop; what it has done stays done."""
    with connected(context.obj) as connection:
        connection.client.operations.cancel(operation)


@app.command()
def failures(context: typer.Context, operation: OperationArgument) -> None:
    """List what an operation could not handle, and why."""
    from soutu.cli.output import print_table

    with connected(context.obj) as connection:
        found = connection.client.operations.failures(operation)
        rows = [(each.subject, each.reason, each.message) for each in found]
    print_table(("item", "reason", "why"), rows, whole=("reason",))
