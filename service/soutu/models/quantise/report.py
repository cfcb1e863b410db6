"""What a quantised artefact loses and gains, beside its original."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from soutu.domain.cards import invalid_model
from soutu.domain.embedding import Vectors
from soutu.domain.model import InputSpec
from soutu.evaluation.metrics import judged_ranking, mean_average_precision
from soutu.models.pictures import Pixels, batches, fitted_file, picture_files

_RUNS = 30


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pictures uint8 (n, height, width, 3) and the number of each one's class, (n,)."""

    pixels: Pixels
    classes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one artefact: size in bytes, median time of one picture in one thread, mAP in [0, 1]."""

    size_bytes: int
    one_ms: float
    mean_average_precision: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Original and quantised, and the cosines of their vectors of one picture: 1st percentile and mean."""

    original: Measures
    quantised: Measures
    least_cosine: float
    mean_cosine: float

    @property
    def loss(self) -> float | None:
        """How much mAP is lost, in [-1, 1]; None where no labelled pictures were given."""
        before, after = self.original.mean_average_precision, self.quantised.mean_average_precision
        return None if before is None or after is None else before - after


def labelled_pictures(folder: Path, spec: InputSpec, most: int = 0) -> Labelled:
    """The pictures below `folder`; a picture's class is the directory that it lies in.

    At most `most`, evenly spread, where that is not 0. MODEL_INVALID unless some class has two pictures.
    """
    fitted = [(path.parent, fitted_file(path, spec)) for path in picture_files(folder, most)]
    found = [(place, pixels) for place, pixels in fitted if pixels is not None]
    numbers = {place: number for number, place in enumerate(sorted({place for place, _ in found}))}
    if len(found) <= len(numbers):
        raise invalid_model(f"{folder} has no two pictures of one class; a class is a directory of pictures.")
    classes = np.array([numbers[place] for place, _ in found], np.int64)
    return Labelled(np.stack([pixels for _, pixels in found]), classes)


def measured(original: Path, quantised: Path, pixels: Pixels, labelled: Labelled | None) -> Report:
    """Compares two artefacts, on `pixels` where nothing is labelled."""
    shown = pixels if labelled is None else labelled.pixels
    before, measures_before = _measured(original, shown, labelled)
    after, measures_after = _measured(quantised, shown, labelled)
    cosines = (before * after).sum(axis=1)
    return Report(measures_before, measures_after, float(np.percentile(cosines, 1)), float(cosines.mean()))


def retrieval(vectors: Vectors, classes: NDArray[np.int64]) -> float:
    """mAP in [0, 1]: each picture looks for those of its class among all the others."""
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -np.inf)
    relevant = (classes[:, None] == classes).sum(axis=1) - 1
    return mean_average_precision(judged_ranking(scores, classes, classes), relevant)


def report_rows(report: Report) -> Sequence[tuple[str, str, str]]:
    """The report as rows: what, of the original, of the quantised."""
    before, after = report.original, report.quantised
    return [
        ("size", f"{before.size_bytes / 1e6:.1f} MB", f"{after.size_bytes / 1e6:.1f} MB"),
        ("one picture, one thread", f"{before.one_ms:.1f} ms", f"{after.one_ms:.1f} ms"),
        ("cosine, 1st percentile", "1", f"{report.least_cosine:.4f}"),
        ("cosine, mean", "1", f"{report.mean_cosine:.4f}"),
        ("mAP", _percent(before), _percent(after)),
    ]


def _percent(measures: Measures) -> str:
    found = measures.mean_average_precision
    return "not measured" if found is None else f"{100 * found:.2f} %"


def _measured(path: Path, pixels: Pixels, labelled: Labelled | None) -> tuple[Vectors, Measures]:
    session = _session(path)
    vectors = np.concatenate([session.run(["embedding"], {"pixels": batch})[0] for batch in batches(pixels)])
    found = None if labelled is None else retrieval(vectors, labelled.classes)
    return vectors, Measures(path.stat().st_size, _one_ms(session, pixels[:1]), found)


def _session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _one_ms(session: Any, picture: Pixels) -> float:
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        session.run(["embedding"], {"pixels": picture})
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))
