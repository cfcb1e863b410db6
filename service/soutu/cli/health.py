"""`soutu health`."""

from typing import Annotated

import typer

from soutu.cli.failures import ExitCode


def health(
    context: typer.Context,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the answer.")] = 5.0,
) -> None:
    """Ask whether the server serves (grpc.health.v1), for probes; none is started."""
    from soutu.cli.connection import configured_server

    with configured_server(context.obj) as client:
        serving = client.serving(timeout_s)
    print("SERVING" if serving else "NOT_SERVING")
    if not serving:
        raise typer.Exit(ExitCode.FAILURE)
