"""The command line: its groups, and the options that come before the command."""

import os
from pathlib import Path
from typing import Annotated

import typer

from soutu.cli import backup, collections, exchange, generations, images, keys, models, operations, upkeep
from soutu.cli.build import build
from soutu.cli.config import config
from soutu.cli.doctor import doctor
from soutu.cli.health import health
from soutu.cli.invocation import Invocation
from soutu.cli.search import search
from soutu.cli.serve import serve
from soutu.cli.sync import sync

_EPILOG = """
**Examples**

`soutu build ~/Pictures --collection photos` — fill a collection with the pictures of a directory

`soutu sync ~/Pictures --collection photos --watch` — keep a collection equal to a directory

`soutu search cat.jpg --collection photos --sheet found.png` — find pictures like one, and see them

`soutu serve` — keep the server running; the other commands then use it

**Which server?** The one at --address, else the one that serves the data directory, else the same server,
started for the length of the command.

**Exit codes:** 0 done · 1 failed · 2 wrong usage · 3 not found · 4 no server reached · 130 interrupted
"""

app = typer.Typer(
    help="Search pictures by pictures.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.command()(build)
app.command()(sync)
app.command()(search)
app.add_typer(images.app, name="images")
app.add_typer(collections.app, name="collections")
app.add_typer(generations.app, name="generations")
app.add_typer(models.app, name="models")
app.add_typer(operations.app, name="operations")
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(exchange.export)
app.command("import")(exchange.import_)
app.command()(upkeep.purge)
app.command()(upkeep.rebuild_index)
app.command()(upkeep.tune_index)
app.add_typer(keys.app, name="keys")
app.command()(doctor)
app.command()(health)
app.command()(config)


def _version(asked: bool) -> None:
    if asked:
        from soutu import __version__

        print(f"soutu {__version__}")
        raise typer.Exit


@app.callback()
def global_options(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="The settings file.", metavar="FILE")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where everything is kept; overrides the settings.", metavar="DIR")
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="The server to talk to: HOST:PORT or unix:PATH.", metavar="ADDRESS")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="The file with the key of our calls.", metavar="FILE")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(help="Authorities (PEM) that the server is trusted by.", metavar="FILE")
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(help="Our certificate (PEM), for mutual TLS.", metavar="FILE")
    ] = None,
    cert_key: Annotated[
        Path | None, typer.Option(help="The private key (PEM) of our certificate.", metavar="FILE")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens to stderr.")] = False,
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Keeps the options for the command that follows."""
    # Else gRPC's core writes lines of its own to stderr, of each handshake that fails: a log in JSON would
    # not be one. What our sentences do not tell of it, --verbose shows.
    os.environ.setdefault("GRPC_VERBOSITY", "INFO" if verbose else "NONE")
    if verbose:
        from soutu.observe.logs import configure

        configure("debug", "text")
    said = {
        "client.key_file": key_file,
        "client.authorities": ca,
        "client.certificate": cert,
        "client.private_key": cert_key,
    }
    client = {key: value for key, value in said.items() if value is not None}
    context.obj = Invocation(config, data_dir, address, verbose, client)
