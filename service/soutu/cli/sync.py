"""`soutu sync`: a collection is made to agree with a directory."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soutu.cli.connection import connected
from soutu.cli.failures import ExitCode
from soutu.cli.filling import ensured_collection, show_failures
from soutu.cli.visible import visible

if TYPE_CHECKING:
    from soutu.client import OperationHandle
    from soutu.v1.collection_service_pb2 import SyncCollectionResponse

_SIGNS = {"ADD": "+", "CHANGE": "~", "MOVE": ">", "DELETE": "-"}


def sync(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="The directory of pictures.")
    ],
    collection: Annotated[str, typer.Option("--collection", "-c", help="The collection.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    keep_vanished: Annotated[
        bool, typer.Option("--keep-vanished", help="Keep images whose file is gone.")
    ] = False,
    copy: Annotated[
        bool, typer.Option("--copy", help="Store copies of new files; else they are read where they are.")
    ] = False,
) -> None:
    """Make a collection agree with a directory: new, changed, moved and vanished files.

    A moved file keeps its image. A directory that is gone or empty, such as a disk that is not mounted,
    deletes nothing.

    Example: `soutu sync ~/Pictures --collection photos --dry-run`
    """
    from soutu.v1.image_pb2 import Keeping

    keeping = Keeping.KEEPING_STORED if copy else Keeping.KEEPING_UNSPECIFIED
    with connected(context.obj, source=directory) as connection:
        with nullcontext() if dry_run else ensured_collection(connection.client, collection):
            handle = connection.client.collections.sync(
                collection,
                directory,
                keeping=keeping,
                dry_run=dry_run,
                watch=watch,
                keep_vanished=keep_vanished,
            )
        _follow(handle)
        _summarise(handle, dry_run)


def _follow(handle: "OperationHandle[SyncCollectionResponse]") -> None:
    """To the end, or until Ctrl-C, which ends the sync, too."""
    from soutu.cli.output import say
    from soutu.cli.progress import show_progress

    try:
        show_progress(handle)
    except KeyboardInterrupt:
        handle.cancel()
        say("Stopped. What was done stays done.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _summarise(handle: "OperationHandle[SyncCollectionResponse]", dry_run: bool) -> None:
    result = handle.wait()
    if dry_run:
        for line in plan_lines(result):
            print(line)
    counts = ("added", "changed", "moved", "vanished", "unchanged", "failed")
    print(", ".join(f"{getattr(result, name):,} {name}" for name in counts))
    if result.failed_before:
        print(f"Of these files {result.failed_before:,} failed the last time, too.")
    show_failures(handle)


def plan_lines(result: "SyncCollectionResponse") -> list[str]:
    """A line for each entry of the plan: a sign for what is done, and the path."""
    from soutu.v1.collection_service_pb2 import PlannedChange

    lines = []
    for each in result.plan:
        sign = _SIGNS[PlannedChange.Action.Name(each.action).removeprefix("ACTION_")]
        former = f"{each.former_path} -> " if each.former_path else ""
        lines.append(visible(f"{sign} {former}{each.path}"))
    left = result.added + result.changed + result.moved + result.vanished - len(result.plan)
    return [*lines, f"  and {left:,} more"] if left > 0 else lines
