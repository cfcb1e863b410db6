"""`soutu export` and `soutu import`."""

from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from soutu.cli.connection import connected
from soutu.cli.filling import ensured_collection, show_failures

_FAILURES_SHOWN = 5

CollectionOption = Annotated[str, typer.Option("--collection", "-c", help="The collection.")]


class ExportFormat(StrEnum):
    """The formats that can be asked for."""

    PARQUET = "parquet"
    HDF5 = "hdf5"


def export(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(file_okay=False, help="A new or empty directory.")],
    collection: CollectionOption,
    format: Annotated[ExportFormat, typer.Option(help="The kind of files.")] = ExportFormat.PARQUET,  # noqa: A002
    without_originals: Annotated[
        bool, typer.Option("--without-originals", help="Leave the pictures themselves out.")
    ] = False,
) -> None:
    """Write a collection's images, metadata and embeddings to files.

    Parquet: images.parquet and embeddings.parquet. HDF5: features.h5 with `features` and `paths`. Pictures
    lie in originals/ under their sha256.

    Example: `soutu export ~/photos-export --collection photos`
    """
    from soutu.cli.output import say, size_text
    from soutu.cli.progress import show_progress
    from soutu.client.admin import Format

    with connected(context.obj, archive=directory) as connection:
        handle = connection.client.admin.export(
            collection,
            directory,
            format=Format.Value(f"FORMAT_{format.upper()}"),
            without_originals=without_originals,
        )
        show_progress(handle)
        result = handle.wait()
        print(f"{result.image_count:,} images, {size_text(result.size_bytes)}")
        for failure in islice(handle.failures(), _FAILURES_SHOWN):
            say(f"  without its picture: {failure.subject}: {failure.message}")


def import_(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The export.")],
    collection: CollectionOption,
    model: Annotated[
        str, typer.Option(help="The model of a new collection; the server's default if left out.")
    ] = "",
) -> None:
    """Take an export into a collection, which is made if there is none.

    Images keep their ids, and replace those that have them. With the same model nothing is computed again.
    An import that is cut off goes on from where it was.

    Example: `soutu import ~/photos-export --collection photos`
    """
    from soutu.cli.progress import show_progress

    with connected(context.obj, archive=directory) as connection:
        with ensured_collection(connection.client, collection, model):
            handle = connection.client.admin.import_(collection, directory)
        show_progress(handle)
        result = handle.wait()
        print(f"{result.image_count:,} images, {result.failed:,} failed")
        show_failures(handle)
