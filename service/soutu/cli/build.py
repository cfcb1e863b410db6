"""`soutu build`: a directory becomes a collection."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soutu.cli.connection import Connection, connected
from soutu.cli.failures import CommandError, ExitCode
from soutu.cli.filling import ensured_collection, show_failures

if TYPE_CHECKING:
    from soutu.client import Client, OperationHandle
    from soutu.client.sources import SourceKind
    from soutu.v1.collection_service_pb2 import BuildCollectionResponse


def build(
    context: typer.Context,
    collection: Annotated[str, typer.Option("--collection", "-c", help="The collection to fill.")],
    source: Annotated[
        Path | None,
        typer.Argument(exists=True, help="The directory, tar archive, or CSV or Parquet manifest."),
    ] = None,
    create: Annotated[bool, typer.Option(help="Make the collection if there is none.")] = True,
    model: Annotated[
        str, typer.Option(help="The model of a new collection; the server's default if left out.")
    ] = "",
    copy: Annotated[
        bool, typer.Option("--copy", help="Store copies; else the files are read where they are.")
    ] = False,
    tar: Annotated[bool, typer.Option("--tar", help="It is an archive, so named or not.")] = False,
    manifest: Annotated[bool, typer.Option("--manifest", help="It is a manifest, so named or not.")] = False,
    retry: Annotated[
        str, typer.Option("--retry", metavar="OPERATION", help="Build again what failed in that build.")
    ] = "",
) -> None:
    """Fill a collection with the pictures of a directory, of an archive, or of a manifest's rows.

    Pictures that are there already are left alone, and one that cannot be read never stops the build.
    A build that is cut off goes on from where it was. A manifest has a column `path`, and columns for what
    is to be said of the pictures: image_id, title, tags, category, rating, source_uri, attributes.NAME.
    --retry takes the source of that build; name it all the same where no server runs that may read it.

    Examples: `soutu build ~/Pictures --collection photos`,
    `soutu build --collection photos --retry operations/op-1f2e`
    """
    if source is None and not retry:
        raise CommandError("SOURCE is missing, or --retry with a build's operation.", ExitCode.USAGE)
    kind = checked_kind(source, "tar" if tar else "manifest" if manifest else None) if source else None
    with connected(context.obj, source=_root(source)) as connection:
        client = connection.client
        if source is None or retry:
            handle = client.collections.retry_failures(collection, retry)
        else:
            with ensured_collection(client, collection, model) if create else nullcontext():
                handle = start(client, collection, source, copy=copy, kind=kind)
        _follow(connection, handle)
        _summarise(handle)


def _root(source: Path | None) -> Path | None:
    return source if source is None or source.is_dir() else source.parent


def checked_kind(source: Path, asked: "SourceKind | None" = None) -> "SourceKind":
    """The kind that is asked for, else the one that the source's name tells; CommandError where it is not."""
    from soutu.client.sources import kind_of

    kind = asked or kind_of(source)
    if (kind == "directory") is source.is_dir():
        return kind
    if source.is_dir():
        raise CommandError(f"{source} is a directory, not a file as --{kind} asks for.", ExitCode.USAGE)
    raise CommandError(
        f"{source} is neither a directory nor named as an archive or a manifest. --tar or --manifest says "
        "what it is; `soutu images upload` takes single pictures.",
        ExitCode.USAGE,
    )


def start(
    client: "Client", collection: str, source: Path, *, copy: bool, kind: "SourceKind | None" = None
) -> "OperationHandle[BuildCollectionResponse]":
    """The build of the source, or the one that is under way in the collection already."""
    from soutu.cli.output import say
    from soutu.client import SoutuCallError
    from soutu.v1.image_pb2 import Keeping

    keeping = Keeping.KEEPING_STORED if copy else Keeping.KEEPING_UNSPECIFIED
    try:
        return client.collections.build(collection, source, kind=kind, keeping=keeping)
    except SoutuCallError as error:
        earlier = _under_way(client, collection) if error.reason == "COLLECTION_BUSY" else None
        if earlier is None:
            raise
    say(f"An earlier build of {collection} goes on; following it.")
    return earlier


def _under_way(client: "Client", collection: str) -> "OperationHandle[BuildCollectionResponse] | None":
    from soutu.client import metadata_of
    from soutu.v1.collection_service_pb2 import BuildCollectionResponse

    for operation in client.operations.list():
        metadata = metadata_of(operation)
        if not operation.done and (metadata.kind, metadata.target) == ("build", f"collections/{collection}"):
            return client.operations.handle(operation, BuildCollectionResponse)
    return None


def _follow(connection: Connection, handle: "OperationHandle[BuildCollectionResponse]") -> None:
    from soutu.cli.output import say
    from soutu.cli.progress import show_progress

    try:
        show_progress(handle)
    except KeyboardInterrupt:
        if connection.inside:
            say("Stopped. The same command goes on from here.")
        else:
            say(f"The build goes on in the server; `soutu operations cancel {handle.name}` stops it.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _summarise(handle: "OperationHandle[BuildCollectionResponse]") -> None:
    result = handle.wait()
    print(f"{result.added:,} added, {result.unchanged:,} unchanged, {result.failed:,} failed")
    show_failures(handle)
