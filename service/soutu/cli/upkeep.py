"""`soutu purge`, `soutu rebuild-index` and `soutu tune-index`."""

from typing import Annotated

import typer

from soutu.cli.connection import connected
from soutu.cli.failures import CommandError, ExitCode

CollectionArgument = Annotated[
    str, typer.Argument(help="The collection, or collections/NAME/generations/GENERATION.")
]


def purge(
    context: typer.Context,
    images: Annotated[list[str], typer.Argument(help="Ids of images, or full names.", metavar="NAME...")],
    collection: Annotated[
        str, typer.Option("--collection", "-c", help="Their collection; full names say it themselves.")
    ] = "",
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove pictures from everywhere: rows, bytes, caches, and what every index holds of them.

    Also names of images that were deleted before. Every index of the collection is made again beside the old
    one. Your own files, and backups and exports made earlier, are not touched.

    Example: `soutu purge cat-1 cat-2 --collection photos`
    """
    from soutu.cli.progress import show_progress

    named = collection or _collection_of(images)
    if not sure:
        typer.confirm(f"Remove {len(images)} images of {named} for ever?", abort=True, err=True)
    with connected(context.obj) as connection:
        handle = connection.client.admin.purge(named, images)
        show_progress(handle)
        result = handle.wait()
    print(f"{result.image_count:,} images purged, {result.content_count:,} contents removed")


def rebuild_index(context: typer.Context, collection: CollectionArgument) -> None:
    """Make an index again from the catalogue; searches use the old one until the new one is ready.

    Example: `soutu rebuild-index photos`
    """
    from soutu.cli.progress import show_progress

    with connected(context.obj) as connection:
        handle = connection.client.admin.rebuild_index(collection)
        show_progress(handle)
        result = handle.wait()
    print(f"{result.image_count:,} images indexed")


def tune_index(
    context: typer.Context,
    collection: CollectionArgument,
    recall: Annotated[
        float, typer.Option(min=0.01, max=1, help="The share of the true ten nearest to find.")
    ] = 0.98,
) -> None:
    """Find the smallest candidate list with which an index finds enough, and keep it as the default.

    Example: `soutu tune-index photos --recall 0.99`
    """
    from soutu.cli.output import print_table
    from soutu.cli.progress import show_progress

    with connected(context.obj) as connection:
        handle = connection.client.admin.tune_index(collection, recall)
        show_progress(handle)
        result = handle.wait()
    rows = [
        (f"{each.candidates:,}", f"{each.recall:.3f}", f"{each.median.ToNanoseconds() / 1e6:.2f} ms")
        for each in result.points
    ]
    print_table(("candidates", "recall", "median"), rows, right=("candidates", "recall", "median"))
    print(f"Searches use {result.candidates:,} candidates from now on")


def _collection_of(images: list[str]) -> str:
    collections = {"/".join(name.split("/")[:2]) for name in images if name.startswith("collections/")}
    if len(collections) != 1 or not all(name.startswith("collections/") for name in images):
        raise CommandError("Say which collection with --collection.", ExitCode.USAGE)
    return collections.pop()
