"""What `soutu doctor` looks at, in the order in which one thing needs the other."""

import io
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryFile

from soutu import __version__
from soutu.cli.connection import connected
from soutu.cli.failures import explained
from soutu.cli.invocation import Invocation
from soutu.cli.output import size_text
from soutu.cli.tables import milliseconds
from soutu.client import Client, SoutuCallError
from soutu.client.names import id_of
from soutu.settings import SettingsError
from soutu.v1.model_service_pb2 import MODEL_TASK_EMBED_IMAGE, Model

_FREE_BYTES = 1_000_000_000
_MODELS_NEED = ("inference", "decoders")
_SETTING = re.compile(r"\b(catalog|index|inference|cache|objects)\.[a-z_]+")
_PACKAGES = ("grpcio", "protobuf", "numpy", "onnxruntime", "qdrant-edge-py", "SQLAlchemy", "Pillow")


@dataclass(frozen=True, slots=True)
class Check:
    """What was found about one part; `advice` where something is to be done."""

    part: str
    sound: bool
    finding: str
    advice: str = ""


def checked(invocation: Invocation, model: str = "") -> Iterator[Check]:
    """The checks as they are made; those that need what has failed are left out. The engines of this process
    are measured with `model`, "" for the one of new collections."""
    yield _python()
    yield _packages()
    try:
        settings = invocation.settings()
    except SettingsError as error:
        yield Check("settings", False, str(error), "`soutu config` shows which are in force.")
        return
    yield Check("settings", True, f"data directory {settings.data_dir}")
    if not invocation.address:
        yield _data_dir(settings.data_dir)
        for key, root in settings.missing_roots:
            yield Check(key, False, f"{root} is not there", f"Mount its disk, or take it out of {key}.")
        if not settings.inference.url:
            from soutu.cli.engines import engine_check

            yield engine_check(settings, model)
    yield from _server(invocation)


def _python() -> Check:
    sound = sys.version_info >= (3, 11)
    advice = "" if sound else "Soutu needs Python 3.11 or newer."
    return Check(
        "python", sound, f"{platform.python_version()} on {platform.system()} {platform.machine()}", advice
    )


def _packages() -> Check:
    found = {name: _version(name) for name in _PACKAGES}
    missing = [name for name, installed in found.items() if not installed]
    listing = ", ".join(
        [f"soutu {__version__}", *(f"{name} {installed or 'missing'}" for name, installed in found.items())]
    )
    advice = f"Install {' '.join(missing)}: `pip install soutu` brings them all." if missing else ""
    return Check("packages", not missing, listing, advice)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _data_dir(data_dir: Path) -> Check:
    existing = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    try:
        with TemporaryFile(dir=existing):  # permissions alone do not tell, such as in /proc
            free = shutil.disk_usage(existing).free
    except OSError as error:
        finding = f"{existing} cannot be written: {error.strerror}"
        return Check("data directory", False, finding, "Choose another with --data-dir.")
    if free < _FREE_BYTES:
        advice = "Make room: writes fail when the disk is full."
        return Check("data directory", False, f"only {size_text(free)} free", advice)
    return Check("data directory", True, f"writable, {size_text(free)} free")


def _server(invocation: Invocation) -> Iterator[Check]:
    try:
        with connected(invocation) as connection:
            where = (
                "started for this check" if connection.inside else f"running at {connection.client.address}"
            )
            serving = connection.client.serving()
            advice = "" if serving else "It is starting or ending; look again in a moment."
            yield Check("server", serving, where, advice)
            parts = list(_parts(connection.client))
            yield from parts
            if all(part.sound for part in parts if part.part in _MODELS_NEED):
                yield from _models(connection.client)
    except Exception as error:  # noqa: BLE001  # whatever it is, the doctor says it
        yield Check("server", False, explained(error)[0], "The rest cannot be checked without it.")


def _parts(client: Client) -> Iterator[Check]:
    for part in client.status().parts:
        finding = part.detail or ("healthy" if part.healthy else "not healthy")
        yield Check(part.part, part.healthy, finding, "" if part.healthy else _advice(part.detail))


def _advice(detail: str) -> str:
    """What to do about a part that does not work; of a remote one the detail names the setting."""
    log = "The server's log says more; -v shows that of one started for this check."
    named = _SETTING.search(detail)
    if named is None:
        return log
    return f"Is what the setting {named[0]} names running, and can it be reached from the server? {log}"


def _models(client: Client) -> Iterator[Check]:
    """Decodes and embeds a drawn picture with each model: decoders and artefacts in one."""
    picture = _trial_picture()
    for model in client.models.list():
        yield _model(client, model, picture)


def _model(client: Client, model: Model, picture: bytes) -> Check:
    part = f"model {id_of(model.name)}"
    if model.task != MODEL_TASK_EMBED_IMAGE:
        return Check(part, True, "of local features, which are not served yet; proven when it was added")
    try:
        answer = client.embed(model.name, [picture])
    except SoutuCallError as error:
        return Check(part, False, error.message, _advice(error.message))
    took = f"a picture decoded and embedded in {milliseconds(answer.stages):.0f} ms"
    return Check(part, True, f"{model.dimension} dimensions, {took}")


def _trial_picture() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(buffer, format="JPEG")
    return buffer.getvalue()
