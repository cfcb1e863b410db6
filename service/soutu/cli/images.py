"""`soutu images`."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soutu.cli.connection import connected
from soutu.cli.failures import CommandError

if TYPE_CHECKING:
    from soutu.client import Client
    from soutu.client.uploads import UploadFields
    from soutu.v1.image_service_pb2 import UploadImageResponse

app = typer.Typer(
    help="Stored images: list, count, facets, get, upload, download, delete.", no_args_is_help=True
)

CollectionOption = Annotated[str, typer.Option("--collection", "-c", help="The collection.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one image per line.")]
FilterOption = Annotated[
    str, typer.Option("--filter", "-f", help="Only images like this: 'rating >= 3 AND tags:cat'.")
]
ImageArgument = Annotated[str, typer.Argument(help="The image's id.")]


@app.command("list")
def list_images(
    context: typer.Context,
    collection: CollectionOption,
    limit: Annotated[int, typer.Option("-n", min=1, help="At most so many.")] = 100,
    filter_: FilterOption = "",
    order_by: Annotated[
        str, typer.Option(help="Fields to order by: 'rating desc, create_time'; else by id.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """List images, by id unless --order-by says otherwise."""
    from soutu.cli.output import print_message
    from soutu.cli.tables import print_images

    with connected(context.obj) as connection:
        listed = connection.client.images.list(collection, filter=filter_, order_by=order_by)
        images = islice(listed, limit)
        if not as_json:
            print_images(images)
            return
        for image in images:
            print_message(image)


@app.command()
def count(context: typer.Context, collection: CollectionOption, filter_: FilterOption = "") -> None:
    """Print how many images there are."""
    with connected(context.obj) as connection:
        print(connection.client.images.count(collection, filter=filter_))


@app.command()
def facets(
    context: typer.Context,
    fields: Annotated[list[str], typer.Argument(help="Fields, such as category, tags, exif.camera.")],
    collection: CollectionOption,
    filter_: FilterOption = "",
    limit: Annotated[int, typer.Option("-n", min=1, max=100, help="At most so many values each.")] = 20,
) -> None:
    """Print the most frequent values of fields, and how many images have them."""
    from soutu.cli.output import print_table

    with connected(context.obj) as connection:
        found = connection.client.images.facets(collection, fields, filter=filter_, limit=limit)
    rows = [(facet.field, bucket.value, str(bucket.count)) for facet in found for bucket in facet.buckets]
    print_table(("field", "value", "images"), rows, right=("images",))


@app.command()
def get(context: typer.Context, image: ImageArgument, collection: CollectionOption) -> None:
    """Print everything that is known about an image, as JSON."""
    from soutu.cli.output import print_message

    with connected(context.obj) as connection:
        print_message(connection.client.images.get(image, collection=collection))


@app.command()
def upload(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="Picture files.")],
    collection: CollectionOption,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", help="A tag for all of them; may be repeated.")
    ] = None,
    image_id: Annotated[str, typer.Option("--id", help="The image's id, for one file.")] = "",
    replace: Annotated[bool, typer.Option(help="Replace an image of the same id.")] = False,
) -> None:
    """Add pictures, each titled by its file's name; prints their ids.

    One that is refused does not stop the others, and makes the exit code 1.
    """
    from soutu.v1.image_service_pb2 import OnConflict

    if image_id and len(files) > 1:
        raise typer.BadParameter("--id is for one file.")
    on_conflict = OnConflict.ON_CONFLICT_REPLACE if replace else OnConflict.ON_CONFLICT_UNSPECIFIED
    fields: UploadFields = {"tags": tags or (), "image_id": image_id, "on_conflict": on_conflict}
    with connected(context.obj) as connection:
        answers = [_uploaded(connection.client, collection, file, fields) for file in files]
    _summarise(collection, answers, replace)


def _uploaded(
    client: "Client", collection: str, file: Path, fields: "UploadFields"
) -> "UploadImageResponse | None":
    """Uploads one file and prints its id, or why it was refused: None."""
    from soutu.cli.output import say
    from soutu.client import SoutuCallError
    from soutu.client.names import id_of

    titled: UploadFields = {**fields, "title": file.name}
    try:
        answer = client.images.upload(collection, file, **titled)
    except SoutuCallError as error:
        if error.status not in ("INVALID_ARGUMENT", "ALREADY_EXISTS"):
            raise
        say(f"{file}: {error.message}")
        return None
    print(id_of(answer.image.name))
    return answer


def _summarise(collection: str, answers: "Sequence[UploadImageResponse | None]", replace: bool) -> None:
    from soutu.cli.output import count_text, say

    added = sum(1 for answer in answers if answer and answer.created)
    others = sum(1 for answer in answers if answer and not answer.created)
    if added:
        say(f"{count_text(added, 'image')} added to {collection}")
    if others:
        say(f"{count_text(others, 'image')} of {collection} {'replaced' if replace else 'there already'}")
    if refused := answers.count(None):
        raise CommandError(f"{refused} of {count_text(len(answers), 'file')} refused.")


@app.command()
def delete(
    context: typer.Context,
    images: Annotated[list[str], typer.Argument(help="Ids of images.")],
    collection: CollectionOption,
) -> None:
    """Delete images. Files that were built where they are stay untouched."""
    from soutu.cli.output import count_text

    with connected(context.obj) as connection:
        for image in images:
            connection.client.images.delete(image, collection=collection)
    print(f"{count_text(len(images), 'image')} of {collection} deleted")


@app.command()
def download(
    context: typer.Context,
    image: ImageArgument,
    collection: CollectionOption,
    to: Annotated[Path, typer.Option("--to", "-o", help="The file to write.")],
    thumbnail: Annotated[int, typer.Option(help="A thumbnail that fits a square of so many pixels.")] = 0,
) -> None:
    """Write an image's original, or its thumbnail, to a file."""
    from soutu.v1.image_service_pb2 import DownloadImageRequest

    variant = DownloadImageRequest.VARIANT_THUMBNAIL if thumbnail else DownloadImageRequest.VARIANT_ORIGINAL
    with connected(context.obj) as connection:
        connection.client.images.download(
            image, to, collection=collection, variant=variant, thumbnail_side=thumbnail
        )
