"""Each model through the Embedder, run by ONNX Runtime and by OpenVINO."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.artefacts import Artefact, artefacts
from bench.models import MODELS, card_of
from bench.report import Row, Table
from bench.scale import Scale
from soutu.adapters.models.folders import FolderModels
from soutu.bootstrap import BUNDLED_MODELS, cores
from soutu.bootstrap.engines import ENGINES, Pace, inference_engine, pace
from soutu.models.verify import check_artefact
from soutu.settings import Settings

TITLE = "Models through the Embedder, by engine"
_UNIT = "images/s"
# The least multiples of ONNX Runtime's pace with the float32 artefact: of the best engine with int8, and of
# OpenVINO with float32 where the processor has bfloat16.
_INT8 = {"ResNet-50": 3.2, "ViT-B/16": 2.0}
_BFLOAT16 = 1.7

Paces = dict[str, Pace]


def run(scale: Scale) -> Sequence[Table]:
    """One table for each network: images a second by artefact and engine, then how they compare."""
    measured = {artefact: _paces(artefact, scale.seconds) for artefact in artefacts()}
    networks = dict.fromkeys(artefact.network for artefact in measured)
    return [_table(network, measured) for network in networks]


def _table(network: str, measured: Mapping[Artefact, Paces]) -> Table:
    own = {each: found for each, found in measured.items() if each.network == network}
    sizes = [Row(f"{each.form}, artefact", each.size_bytes / 1e6, "MB") for each in own]
    return Table(network, [*sizes, *_rows(network, {each.form: found for each, found in own.items()})])


def _paces(artefact: Artefact, seconds: float) -> Paces:
    models = FolderModels(MODELS, BUNDLED_MODELS, check_artefact)
    ref = card_of(artefact.folder).ref
    engines = {name: inference_engine(Settings(data_dir=Path("/nowhere")), name) for name in ENGINES}
    return {
        name: asyncio.run(pace(models, ref, engine, cores(), seconds)) for name, engine in engines.items()
    }


def _rows(network: str, forms: dict[str, Paces]) -> list[Row]:
    rows = [
        Row(f"{form}, {engine}", found.by_core * cores(), _UNIT, remark=f"{found.by_clock:.1f} by the clock")
        for form, paces in forms.items()
        for engine, found in paces.items()
    ]
    floating = forms["float32"]
    base = floating["onnxruntime"].by_core
    target = f">= {_BFLOAT16}" if _has_bfloat16() and network != "gradient-color" else ""
    rows.append(Row("float32: OpenVINO / ONNX Runtime", floating["openvino"].by_core / base, "times", target))
    if "int8" in forms:
        wanted = f">= {_INT8[network]}" if network in _INT8 else ""
        best = max(found.by_core for found in forms["int8"].values())
        own = forms["int8"]["onnxruntime"].by_core
        rows.append(Row("int8 at its best / ONNX Runtime float32", best / base, "times", wanted))
        rows.append(Row("int8 / float32, both in ONNX Runtime", own / base, "times"))
    return rows


def _has_bfloat16() -> bool:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return "amx_bf16" in flags or "avx512_bf16" in flags
