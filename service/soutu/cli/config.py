"""`soutu config`."""

import os

import typer

from soutu.cli.invocation import Invocation


def config(context: typer.Context) -> None:
    """Print the settings in force and where each comes from; secrets are masked."""
    from soutu.cli.output import print_table
    from soutu.settings import described, read_settings

    invocation: Invocation = context.obj
    rows = described(read_settings(invocation.config, os.environ, invocation.overrides()))
    print_table(("setting", "value", "from"), [(row.key, row.value, row.source) for row in rows])
