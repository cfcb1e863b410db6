"""`soutu serve`."""

from typing import Annotated

import typer

from soutu.cli.invocation import Invocation


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="The address to listen on.", show_default=False)] = None,
    port: Annotated[
        int | None, typer.Option(help="The port to listen on; 0 takes a free one.", show_default=False)
    ] = None,
) -> None:
    """Serve a data directory until interrupted; running calls may finish first."""
    import asyncio

    from soutu.serving import serve as serve_forever

    said = {"server.host": host, "server.port": port}
    invocation: Invocation = context.obj
    settings = invocation.settings({key: value for key, value in said.items() if value is not None})
    asyncio.run(
        serve_forever(settings, ready=lambda address: print(f"Soutu serves at {address}", flush=True))
    )
