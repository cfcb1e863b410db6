"""This machine's first NVIDIA GPU, as its driver tells."""

import re
import subprocess
from dataclasses import dataclass

from scripts.engines.network import UnfitError

_ASK = ["nvidia-smi", "--query-gpu=name,compute_cap", "--format=csv,noheader", "--id=0"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """Its name, such as "NVIDIA L4", and its compute capability, such as "8.9"."""

    name: str
    capability: str

    @property
    def label(self) -> str:
        """The name as a part of a file's name."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def present_gpu() -> Gpu:
    """The GPU that plans are built and run on; UnfitError where there is none."""
    try:
        told = subprocess.run(_ASK, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        sentence = "there is no NVIDIA GPU here; --compute-capability names another one to build for"
        raise UnfitError(sentence) from error
    name, _, capability = told.rpartition(", ")
    return Gpu(name, capability)
