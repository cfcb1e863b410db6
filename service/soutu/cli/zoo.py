"""`soutu models zoo`, `pull`, `export` and `quantize`: models made on this machine, without a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soutu.cli.failures import CommandError
from soutu.cli.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable

    from soutu.domain.model import ModelCard
    from soutu.models.export.image import Exported, ExportTerms
    from soutu.models.pooling import Pooling
    from soutu.models.quantise.forms import Form
    from soutu.models.zoo.entry import ZooEntry

ModelArgument = Annotated[
    str, typer.Argument(help="A model of the zoo, its hub's id, or a TOML file like those of the zoo.")
]
PoolingOption = Annotated[
    str, typer.Option(help="How features become a vector: cls, avg, max, gem, gem:P; the zoo's unless given.")
]
SkipOption = Annotated[
    int,
    typer.Option("--skip-tokens", min=0, help="Leading tokens that pooling leaves out (class, registers)."),
]
ReduceOption = Annotated[
    int, typer.Option(min=0, help="Whiten and reduce vectors to so many numbers, learned from --pictures.")
]
PicturesOption = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Pictures to learn a reduction from, and to compare on."),
]
NewFolder = Annotated[Path, typer.Option("--to", help="The model's folder, which must not exist yet.")]
VersionOption = Annotated[str, typer.Option(help="The new model's version.")]


def zoo(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one model per line.")] = False,
) -> None:
    """List the models that `pull` and `export` know."""
    import json

    from soutu.cli.output import print_table
    from soutu.models.zoo.shelf import zoo_entries

    entries = zoo_entries()
    if as_json:
        for each in entries:
            facts = {"name": each.name, "task": each.task, "dimension": each.dimension}
            facts |= {"licence": each.licence}
            print(json.dumps({**facts, "restricted": each.restricted, "hub": each.hub and each.hub.id}))
        return
    rows = [
        (
            each.name,
            each.task,
            str(each.dimension),
            f"{each.size_mb} MB",
            f"{each.licence} (restricted)" if each.restricted else each.licence,
            each.hub.id if each.hub else "",
        )
        for each in entries
    ]
    columns = ("model", "task", "dimension", "size", "licence", "hub")
    print_table(columns, rows, ("dimension", "size"), whole=("model",))


def pull(
    context: typer.Context,
    model: ModelArgument,
    revision: Annotated[str, typer.Option(help="A commit, tag or branch of the hub's repository.")] = "",
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Agree to a restricted licence.")
    ] = False,
    hub: Annotated[str, typer.Option(help="Another hub than https://huggingface.co.", metavar="URL")] = "",
    version: VersionOption = "1",
    pooling: PoolingOption = "",
    skip_tokens: SkipOption = 0,
    reduce: ReduceOption = 0,
    pictures: PicturesOption = None,
) -> None:
    """Fetch a model of the zoo, export it and add it to the data directory.

    Example: `soutu models pull dinov2-base`
    """
    from soutu.bootstrap import model_store
    from soutu.cli.output import say, told_of
    from soutu.models.export.image import ExportTerms
    from soutu.models.pull import check_licence
    from soutu.models.pull import pull as fetch
    from soutu.models.zoo.shelf import zoo_entry

    entry = zoo_entry(model)
    say(f"{entry.name}: licence {entry.licence}; about {entry.size_mb} MB from {_where(entry)}")
    check_licence(entry, accept_licence)
    invocation: Invocation = context.obj
    settings = invocation.settings()
    pulled = fetch(entry, settings.data_dir / "weights" / entry.name, revision, hub)
    pooled = _pooling(pooling, skip_tokens, entry)
    terms = ExportTerms(pulled.folder, version, "", pooled, reduce, pictures, pulled.source)
    folder = settings.data_dir / "weights" / f".{entry.name}-{version}"
    card = _exported_and_added(entry, terms, folder, model_store(settings).add)
    print(f"{card.ref} added: {told_of(card)}")


def export(
    model: ModelArgument,
    weights: Annotated[
        Path, typer.Option(exists=True, help="A folder with config.json and model.safetensors, or one file.")
    ],
    to: NewFolder,
    name: Annotated[str, typer.Option(help="The new model's name; the zoo's unless given.")] = "",
    version: VersionOption = "1",
    pooling: PoolingOption = "",
    skip_tokens: SkipOption = 0,
    reduce: ReduceOption = 0,
    pictures: PicturesOption = None,
) -> None:
    """Turn weights on this machine into a model's folder, compared with PyTorch; `models add` takes it.

    Example: `soutu models export vit-b16 --weights vit-base --pooling gem --skip-tokens 1 --to vit`
    """
    from soutu.models.export.image import ExportTerms
    from soutu.models.export.local import export_model
    from soutu.models.zoo.shelf import zoo_entry

    entry = zoo_entry(model)
    terms = ExportTerms(weights, version, name, _pooling(pooling, skip_tokens, entry), reduce, pictures)
    _tell(export_model(entry, terms, to))
    print(f"{to} is written; `soutu models add {to}` takes it")


def quantize(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A model's folder, float32.")],
    to: NewFolder,
    form: Annotated[
        str, typer.Option(help="cpu (asymmetric uint8), tensorrt (symmetric int8) or float16.")
    ] = "cpu",
    calibrate: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Pictures like those to be searched.")
    ] = None,
    labelled: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="One folder of pictures per class, to measure loss on."
        ),
    ] = None,
    most_loss: Annotated[
        float, typer.Option(min=0, max=100, help="The points of mAP that it may lose on --labelled.")
    ] = 0.5,
    allow_loss: Annotated[bool, typer.Option("--allow-loss", help="Keep it even if it loses more.")] = False,
    version: Annotated[str, typer.Option(help="The new model's version.")] = "1",
) -> None:
    """Make a smaller, quicker model of a float32 one, and say what it loses.

    Example: `soutu models quantize vit --calibrate ~/Pictures --labelled classes --to vit-int8`
    """
    from soutu.cli.output import print_table
    from soutu.models.quantise.model import QuantiseTerms, quantise_model
    from soutu.models.quantise.report import report_rows

    terms = QuantiseTerms(_form(form), version, calibrate, labelled, None if allow_loss else most_loss / 100)
    report = quantise_model(folder, terms, to)
    print_table(("", "original", "quantised"), report_rows(report), ("original", "quantised"))
    print(f"{to} is written; `soutu models add {to}` takes it")


def _form(form: str) -> "Form":
    from soutu.models.quantise.forms import Form

    if form not in list(Form):
        raise CommandError(f"--form is one of {', '.join(Form)}, not {form!r}.")
    return Form(form)


def _exported_and_added(
    entry: "ZooEntry", terms: "ExportTerms", folder: Path, add: "Callable[[Path], ModelCard]"
) -> "ModelCard":
    import shutil

    from soutu.models.export.local import export_model

    shutil.rmtree(folder, ignore_errors=True)  # of a pull that was cut off
    try:
        _tell(export_model(entry, terms, folder))
        return add(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell(exported: "Exported") -> None:
    from soutu.cli.output import say

    if parity := exported.parity:
        real = f" and {parity.real} real" if parity.real else ""
        compared = f"least cosine {parity.cosine:.7f} over {parity.random} random{real} pictures"
        texts = f", {exported.texts.cosine:.7f} over {exported.texts.real} texts" if exported.texts else ""
        say(f"{exported.card.ref}, held against PyTorch in float64: {compared}{texts}")


def _pooling(text: str, skipped: int, entry: "ZooEntry") -> "Pooling | None":
    from soutu.models.pooling import Pooling

    return Pooling.parse(text or entry.pooling, skipped) if text or skipped else None


def _where(entry: "ZooEntry") -> str:
    return entry.hub.id if entry.hub else "a file of yours"
