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
    profile: Annotated[
        str | None,
        typer.Option(help="embedded, or cluster: every part on a server.", show_default=False),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            help="Processes that serve the port together; more than one needs catalogue, index and objects on"
            " servers.",
        ),
    ] = 1,
) -> None:
    """Serve a data directory until interrupted; running calls may finish first."""
    import asyncio

    from soutu.observe.busyness import watched_loop
    from soutu.serving import serve as serve_forever
    from soutu.workers import serve_together

    said = {"server.host": host, "server.port": port, "profile": profile}
    invocation: Invocation = context.obj
    settings = invocation.settings({key: value for key, value in said.items() if value is not None})
    if workers > 1:
        return serve_together(settings, workers, _announced)
    with asyncio.Runner(loop_factory=watched_loop) as runner:
        return runner.run(serve_forever(settings, ready=_announced))


def _announced(address: str) -> None:
    print(f"Soutu serves at {address}", flush=True)
