"""`soutu purge`, `soutu rebuild-index` and `soutu tune-index`."""

from typing import TYPE_CHECKING, Annotated

import typer

from soutu.cli.connection import connected
from soutu.cli.failures import CommandError, ExitCode

if TYPE_CHECKING:
    from soutu.client import Client

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
    from soutu.cli.output import count_text
    from soutu.cli.progress import show_progress

    named = collection or _collection_of(images)
    with connected(context.obj) as connection:
        if not sure:
            _confirm(connection.client, named, images)
        handle = connection.client.admin.purge(named, images)
        show_progress(handle)
        result = handle.wait()
    contents = count_text(result.content_count, "content")
    print(f"{count_text(result.image_count, 'image')} purged, {contents} removed")


def _confirm(client: "Client", collection: str, images: list[str]) -> None:
    """Asks whether to go on, having said which images are not there: they may have been deleted before."""
    from soutu.cli.output import count_text, say
    from soutu.client.names import id_of

    client.collections.get(collection)
    gone = [image for image in images if not _is_there(client, collection, image)]
    if gone:
        say(f"Not there now: {', '.join(gone)}. What is left of images deleted before is removed.")
    question = f"Remove {count_text(len(images), 'image')} of {id_of(collection)} for ever?"
    typer.confirm(question, abort=True, err=True)


def _is_there(client: "Client", collection: str, image: str) -> bool:
    from soutu.client import SoutuCallError

    try:
        client.images.get(image, collection=collection, fields=["name"])
    except SoutuCallError as error:
        if error.reason != "IMAGE_NOT_FOUND":
            raise
        return False
    return True


def rebuild_index(context: typer.Context, collection: CollectionArgument) -> None:
    """Make an index again from the catalogue; searches use the old one until the new one is ready.

    Example: `soutu rebuild-index photos`
    """
    from soutu.cli.output import count_text
    from soutu.cli.progress import show_progress

    with connected(context.obj) as connection:
        handle = connection.client.admin.rebuild_index(collection)
        show_progress(handle)
        result = handle.wait()
    print(f"{count_text(result.image_count, 'image')} indexed")


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
