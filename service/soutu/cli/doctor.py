"""`soutu doctor`."""

from typing import Annotated

import typer

from soutu.cli.failures import ExitCode


def doctor(
    context: typer.Context,
    model: Annotated[
        str, typer.Option(help="The model that the engines are measured with; else that of new collections.")
    ] = "",
) -> None:
    """Check every part, and say what to do about those that do not work."""
    from soutu.cli.checks import checked
    from soutu.cli.output import say

    sound = True
    for check in checked(context.obj, model):
        sound = sound and check.sound
        print(f"{'ok  ' if check.sound else 'BAD '} {check.part}: {check.finding}")
        if check.advice:
            say(f"     {check.advice}")
    if not sound:
        raise typer.Exit(ExitCode.FAILURE)
