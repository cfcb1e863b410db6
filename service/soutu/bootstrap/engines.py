"""The engines that may run models in this process, and how fast each runs one."""

import asyncio
import time
from dataclasses import dataclass

import numpy as np

from soutu.adapters.inference.onnx import Engine, OnnxEmbedder
from soutu.adapters.inference.session import ModelSession
from soutu.bootstrap.limits import cores
from soutu.domain.model import ModelRef
from soutu.ports import ModelStore
from soutu.settings import Settings, SettingsError

ENGINES = ("onnxruntime", "openvino")
_PICTURES_PER_THREAD = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """Pictures for each second by the clock, and for each second that a core worked: the second is the same
    while others use the machine."""

    by_clock: float
    by_core: float


def inference_engine(settings: Settings, name: str = "") -> Engine:
    """What runs models in this process: the engine `name`, else that of the settings. SettingsError where its
    library is not installed."""
    given = settings.inference
    if (name or given.engine) == "onnxruntime":
        return ModelSession
    try:
        from soutu.adapters.inference.openvino import OpenVino
    except ImportError as error:
        sentence = "inference.engine needs the library openvino: pip install 'soutu[openvino]'."
        raise SettingsError(sentence) from error
    return OpenVino(inference_threads(settings), given.half_precision)


def inference_threads(settings: Settings) -> int:
    """How many inferences run at a time in this process."""
    return settings.inference.threads or cores()


async def pace(models: ModelStore, model: ModelRef, engine: Engine, threads: int, seconds: float) -> Pace:
    """Of an Embedder of so many threads that is given batches, for about so many seconds after the first;
    errors as Embedder.embed. What else this process does meanwhile is counted, too."""
    fitted = models.card(str(model)).input
    shape = (_PICTURES_PER_THREAD * threads, fitted.height, fitted.width, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    embedder = OnnxEmbedder(models, threads, engine)
    try:
        await embedder.embed(model, pixels)
        started, worked, done = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() < started + seconds:
            done += len(await embedder.embed(model, pixels))
        return Pace(done / (time.perf_counter() - started), done / (time.process_time() - worked))
    finally:
        await embedder.close()


def paces(settings: Settings, models: ModelStore, model: ModelRef, seconds: float) -> dict[str, Pace]:
    """The pace of each engine that is installed (blocking)."""
    found = {}
    for name in ENGINES:
        try:
            engine = inference_engine(settings, name)
        except SettingsError:
            continue
        found[name] = asyncio.run(pace(models, model, engine, inference_threads(settings), seconds))
    return found
