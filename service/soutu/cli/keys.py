"""`soutu keys`."""

from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(help="Keys that callers of a server may have: new.", no_args_is_help=True)


class ScopeName(StrEnum):
    """What a key allows; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@app.command()
def new(
    label: Annotated[str, typer.Argument(help="Who it is for; logs show it.")] = "key",
    scope: Annotated[
        ScopeName, typer.Option(help="read, write (and read), or admin (all).")
    ] = ScopeName.READ,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="After how many days it expires; never if not said.")
    ] = None,
) -> None:
    """Make a key. It is shown this once; the server keeps only its hash, in the line that is printed below.

    Append the line to the file that the setting access.keys_file names; a running server reads it anew.
    """
    from datetime import UTC, datetime, timedelta

    from soutu.domain.access import Scope, new_key

    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days) if days else None
    secret, key = new_key(label, Scope[scope.name], expires)
    print(f"key:  {secret}")
    print(f"line: {key.line()}")
