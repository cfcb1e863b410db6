"""`soutu backup` and `soutu restore`."""

from pathlib import Path
from typing import Annotated

import typer

from soutu.cli.connection import connected
from soutu.cli.invocation import Invocation


def backup(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Argument(file_okay=False, help="A new directory, or an earlier backup.")
    ],
) -> None:
    """Write a consistent copy of everything while the server goes on.

    Into the directory of an earlier backup only what is new is copied. Files that were built where they are
    are not copied; indexes are made again after a restore. A running server must have the directory below
    its backup_roots.

    Example: `soutu backup /mnt/disk/soutu`
    """
    from soutu.cli.output import size_text
    from soutu.cli.progress import show_progress

    with connected(context.obj, archive=directory) as connection:
        handle = connection.client.admin.backup(directory)
        show_progress(handle)
        result = handle.wait()
    moment = result.snapshot_time.ToDatetime()
    print(f"Backed up as of {moment:%Y-%m-%d %H:%M:%S} UTC, {size_text(result.size_bytes)} written")


def restore(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The backup.")],
) -> None:
    """Take a backup into an empty data directory that no server uses.

    The backup is proven by its hashes first. The next server makes the indexes again.

    Example: `soutu --data-dir ~/restored restore /mnt/disk/soutu`
    """
    import asyncio

    from soutu.bootstrap import restored
    from soutu.cli.output import say

    invocation: Invocation = context.obj
    result = asyncio.run(restored(invocation.settings(), directory.resolve()))
    snapshot = result.snapshot
    print(
        f"Restored {snapshot.collection_count:,} collections with {snapshot.image_count:,} images "
        f"as of {snapshot.moment:%Y-%m-%d %H:%M:%S} UTC"
    )
    if result.lost_count:
        say(f"{result.lost_count:,} pictures were missing already when the backup was written.")
