"""Pictures of a directory as a model takes them: for calibration, for learning a reduction, for checks.

Only one's own pictures belong here: they are decoded in this process, without the guard of the decoders.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soutu.domain.cards import invalid_model
from soutu.domain.errors import SoutuError
from soutu.domain.model import InputSpec
from soutu.imaging.decode import decode
from soutu.imaging.job import DecodeJob
from soutu.imaging.limits import DecodeLimits

Pixels = NDArray[np.uint8]
_BATCH = 8


def picture_files(folder: Path, most: int = 0) -> Sequence[Path]:
    """The files below `folder`, in order; `most` of them, evenly spread, where that is not 0."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not most or len(files) <= most:
        return files
    return [files[number * len(files) // most] for number in range(most)]


def fitted_file(path: Path, spec: InputSpec) -> Pixels | None:
    """uint8 (height, width, 3), as a build and a query fit it; None where it is no picture."""
    try:
        return decode(path.read_bytes(), DecodeJob(input=spec), DecodeLimits()).pixels
    except SoutuError:
        return None


def fitted_pictures(folder: Path, spec: InputSpec, most: int) -> Pixels:
    """uint8 (n, height, width, 3) of at most `most` pictures; MODEL_INVALID where there is none."""
    fitted = [fitted_file(path, spec) for path in picture_files(folder, most)]
    found = [pixels for pixels in fitted if pixels is not None]
    if not found:
        raise invalid_model(f"{folder} has no pictures.")
    return np.stack(found)


def batches(inputs: NDArray[Any], size: int = _BATCH) -> Iterator[NDArray[Any]]:
    """The inputs, `size` at a time."""
    return (inputs[start : start + size] for start in range(0, len(inputs), size))
