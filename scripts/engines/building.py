"""From TensorRT's network to the bytes of a plan, for this machine's GPU or another one."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.engines.gpu import Gpu
from scripts.engines.network import UnfitError, check_network, described, inputs, outputs, parsed
from scripts.engines.work import Range, Work

WORKSPACE_BYTES = 4 * 1024**3
_CAPABILITY = re.compile(r"([0-9]{1,2})\.([0-9])")


@dataclass(frozen=True, slots=True)
class Target:
    """What plans are built with and for: the module `tensorrt` or `tensorrt_rtx`; the compute capability of a
    GPU that is not here, "" for the one that is, `gpu`; where timings of kernels are kept between builds."""

    library: Any
    capability: str
    timings: Path
    gpu: Gpu | None

    @property
    def label(self) -> str:
        """Library, version and GPU, as a part of a file's name."""
        where = self.gpu.label if self.gpu else f"sm{self.capability.replace('.', '')}"
        return f"{self.library.__name__}-{self.library.__version__}-{where}"


@dataclass(frozen=True, slots=True)
class Plan:
    """The bytes that TensorRT loads, its inputs and outputs, and how long building took."""

    content: bytes
    tensors: Mapping[str, str]
    seconds: float


def build_plan(work: Work, target: Target) -> Plan:
    """Parsed, compared with the card, and built; UnfitError where TensorRT refuses one of these."""
    library = target.library
    logger = library.Logger(library.Logger.ERROR)
    builder = library.Builder(logger)
    started = time.monotonic()
    network, parser = parsed(library, builder, work.onnx, logger)
    if work.card:
        check_network(network, work.card)
    config = _config(builder, target)
    _add_profile(builder, config, work.shapes, network)
    timings = _given_timings(config, target)
    content = builder.build_serialized_network(network, config)
    del parser  # it holds weights that the network uses
    if content is None:
        raise UnfitError(f"TensorRT does not build it for {target.label}; its log says why")
    _keep_timings(timings, target)
    tensors = described(inputs(network)) | described(outputs(network))
    return Plan(bytes(content), tensors, time.monotonic() - started)


def _config(builder: Any, target: Target) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(target.library.MemoryPoolType.WORKSPACE, WORKSPACE_BYTES)
    if target.capability:
        config.num_compute_capabilities = 1
        config.set_compute_capability(capability_of(target.library, target.capability), 0)
    return config


def capability_of(library: Any, text: str) -> Any:
    """The library's name of a compute capability such as "8.9"; UnfitError where it has none: it builds for
    present GPUs only, or not for this one."""
    found = _CAPABILITY.fullmatch(text)
    kinds = getattr(library, "ComputeCapability", None)
    kind = getattr(kinds, f"SM{found[1]}{found[2]}", None) if found else None
    if kind is None:
        raise UnfitError(f"{library.__name__} {library.__version__} does not build for capability {text}")
    return kind


def _add_profile(builder: Any, config: Any, shapes: Mapping[str, Range], network: Any) -> None:
    """One optimisation profile, of the shapes that were asked for; UnfitError where they do not fit."""
    profile = builder.create_optimization_profile()
    names = {tensor.name for tensor in inputs(network) if -1 in tuple(tensor.shape)}
    if names != shapes.keys():
        wanted, given = ", ".join(sorted(names)) or "none", ", ".join(shapes) or "none"
        raise UnfitError(f"it needs the shapes of these inputs: {wanted}; given were: {given}")
    for name, (least, usual, most) in shapes.items():
        profile.set_shape(name, least, usual, most)
    if config.add_optimization_profile(profile) < 0:
        raise UnfitError(f"these shapes do not fit its inputs: {dict(shapes)}")


def _given_timings(config: Any, target: Target) -> Any:
    """The timing cache of earlier builds, in use; None for a GPU that is not here, where nothing is timed."""
    if target.capability:
        return None
    path = target.timings / f"{target.label}.timings"
    cache = config.create_timing_cache(path.read_bytes() if path.exists() else b"")
    config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _keep_timings(cache: Any, target: Target) -> None:
    if cache is None:
        return
    target.timings.mkdir(parents=True, exist_ok=True)
    (target.timings / f"{target.label}.timings").write_bytes(bytes(cache.serialize()))
