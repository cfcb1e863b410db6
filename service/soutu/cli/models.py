"""`soutu models`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soutu.cli import zoo
from soutu.cli.connection import connected
from soutu.cli.invocation import Invocation

if TYPE_CHECKING:
    from soutu.domain.model import ModelRef
    from soutu.ports import ModelStore
    from soutu.v1.model_service_pb2 import Model

app = typer.Typer(
    help="Models that turn pictures into vectors: list, add, and make them.", no_args_is_help=True
)
app.command()(zoo.zoo)
app.command()(zoo.pull)
app.command()(zoo.export)
app.command()(zoo.quantize)


@app.command("list")
def list_models(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one model per line.")] = False,
) -> None:
    """List the models that may be used."""
    from soutu.cli.output import print_message, print_table
    from soutu.client.names import id_of

    with connected(context.obj) as connection:
        models = list(connection.client.models.list())
    if as_json:
        for model in models:
            print_message(model)
        return
    rows = [
        (
            id_of(each.name),
            _task(each),
            str(each.dimension),
            f"{each.input_width} × {each.input_height}",
            (" ".join(each.languages) or "yes") if each.text_supported else "",
            each.licence,
        )
        for each in models
    ]
    print_table(
        ("model", "task", "dimension", "input", "text", "licence"), rows, ("dimension",), whole=("model",)
    )


@app.command()
def load(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="name@version, or name for the newest.")],
) -> None:
    """Make a model ready before it is first used."""
    with connected(context.obj) as connection:
        print(f"{connection.client.models.load(model).name} is loaded")


@app.command()
def unload(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="name@version, or name for the newest.")],
) -> None:
    """Free what a model holds; it is loaded again when it is used."""
    with connected(context.obj) as connection:
        print(f"{connection.client.models.unload(model).name} is unloaded")


@app.command()
def add(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="A folder with card.toml and artefact.")
    ],
) -> None:
    """Add a model to the data directory; a running server reads it on first use."""
    from soutu.bootstrap import model_store
    from soutu.cli.output import told_of

    invocation: Invocation = context.obj
    store = model_store(invocation.settings())
    known = _known(store)
    card = store.add(folder)
    done = "is there already" if card.ref in known else "added"
    print(f"{card.ref} {done}: {told_of(card)}")


def _task(model: "Model") -> str:
    """As cards write it: embed-image, local-features, match-features."""
    from soutu.v1.model_service_pb2 import ModelTask

    return ModelTask.Name(model.task).removeprefix("MODEL_TASK_").lower().replace("_", "-")


def _known(store: "ModelStore") -> "set[ModelRef]":
    from soutu.domain.errors import SoutuError

    try:
        return {card.ref for card in store.list()}
    except SoutuError:  # another model is unsound, which is no reason to refuse this one
        return set()
