"""The collection that a command fills."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soutu.client import Client


@contextmanager
def ensured_collection(client: "Client", collection: str, model: str = "") -> Iterator[None]:
    """The collection, made where there is none; an existing one keeps its model.

    One that was made here goes again where the server refuses a call made within.
    """
    from soutu.client import SoutuCallError

    made = _made(client, collection, model)
    try:
        yield
    except SoutuCallError as error:
        if made and error.reason:  # without a reason nobody knows what the server has done
            with suppress(SoutuCallError):
                client.collections.delete(collection)
        raise


def _made(client: "Client", collection: str, model: str) -> bool:
    from soutu.client import SoutuCallError
    from soutu.client.names import model_name

    try:
        client.collections.create(collection, model=model_name(model) if model else "")
    except SoutuCallError as error:
        if error.reason != "COLLECTION_EXISTS":
            raise
        return False
    return True
