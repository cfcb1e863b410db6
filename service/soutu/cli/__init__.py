"""The command `soutu`: each command parses and makes one call of the client."""

import sys


def main() -> None:
    """Runs the command line; every error becomes one sentence and an exit code."""
    from soutu.cli.app import app
    from soutu.cli.failures import report

    try:
        app(prog_name="soutu")
    except Exception as error:  # noqa: BLE001  # the edge: nothing above could say it better
        sys.exit(report(error))
