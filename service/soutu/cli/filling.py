"""The collection that a command fills, and what could not be filled in."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soutu.client import Client
    from soutu.client.operations import OperationHandle

_FAILURES_SHOWN = 5


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


def show_failures(handle: "OperationHandle[Any]") -> None:
    """The first files that failed, or beside which something could not be read, and where the others are."""
    from itertools import islice

    from soutu.cli.output import say

    failures = list(islice(handle.failures(), _FAILURES_SHOWN + 1))
    for failure in failures[:_FAILURES_SHOWN]:
        say(f"  {failure.subject}: {failure.message}")
    if len(failures) > _FAILURES_SHOWN:
        say(f"  and more: soutu operations failures {handle.name}")
