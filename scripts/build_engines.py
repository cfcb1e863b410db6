"""Builds TensorRT plans of artefacts, for the GPU of this machine, or for one that is named.

    python -m scripts.build_engines resnet50-1 vit_b16-1 --out model_repository
    python -m scripts.build_engines resnet50-1 --out OUT --library tensorrt_rtx --compute-capability 8.9
    python -m scripts.build_engines xfeat.onnx --out . --shapes input=1x3x64x64:1x3x480x640:1x3x960x960

A model's folder becomes OUT/NAME/VERSION/model.plan, made for the batch sizes of its card, the same file
under a name that says library, version and GPU, and manifest.json; the card becomes OUT/NAME/card.toml. A
bare ONNX file, whose `--shapes` are the smallest, the usual and the largest, becomes OUT/FILE/1/. It needs
NVIDIA's `tensorrt` 10 or 11, or `tensorrt_rtx`, numpy and onnxruntime; and cuda-python where it runs a plan.

Networks are strongly typed, as TensorRT 11 knows no other ones: a plan computes in the types of its ONNX.
Float16 comes from a float16 artefact, int8 from symmetric Q/DQ. A plan for this machine's GPU is run beside
ONNX Runtime; one for another GPU is parsed, built, and its inputs and outputs are compared with the card.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.engines.building import Target, build_plan
from scripts.engines.gpu import present_gpu
from scripts.engines.network import UnfitError
from scripts.engines.placing import place
from scripts.engines.verifying import least_cosine
from scripts.engines.work import Work, work_of

LEAST_COSINE = 0.99


def main(arguments: Sequence[str] | None = None) -> None:
    """Builds what the arguments name; the exit status is 1 where one could not be built."""
    given = _parser().parse_args(arguments)
    library = importlib.import_module(given.library)
    try:
        gpu = None if given.compute_capability else present_gpu()
    except UnfitError as error:
        raise SystemExit(str(error)) from error
    target = Target(library, given.compute_capability or "", given.out / ".timings", gpu)
    failed = False
    for source in given.sources:
        try:
            build(work_of(source, given.shapes), target, given.out)
        except UnfitError as error:
            failed = True
            print(f"{source}: {error}", file=sys.stderr)
    raise SystemExit(failed)


def build(work: Work, target: Target, out: Path) -> None:
    """One plan, built, verified where its GPU is at hand, and put in its place; UnfitError otherwise."""
    plan = build_plan(work, target)
    cosine = None if target.gpu is None else least_cosine(target.library, plan.content, work)
    if cosine is not None and cosine < LEAST_COSINE:
        raise UnfitError(f"the plan's vectors differ from ONNX Runtime's: cosine {cosine:.4f}")
    folder = place(work, target, plan, cosine, out)
    verified = f"cosine {cosine:.5f}" if cosine is not None else "not run: its GPU is not here"
    print(f"{folder}: {len(plan.content):,} bytes in {plan.seconds:.0f} s, {verified}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", type=Path, nargs="+", help="folders of models, or ONNX files")
    parser.add_argument("--out", type=Path, required=True, help="a model repository of Triton")
    parser.add_argument("--library", choices=["tensorrt", "tensorrt_rtx"], default="tensorrt")
    parser.add_argument("--compute-capability", help="of another GPU than this machine's, such as 8.9")
    parser.add_argument("--shapes", action="append", default=[], help="of a bare ONNX file's inputs")
    return parser


if __name__ == "__main__":
    main()
