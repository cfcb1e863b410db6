"""What an export takes of memory and time, each in a process of its own, with one thread."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

EXPORT = """
import sys, time
from pathlib import Path
from soutu.models.export.image import ExportTerms, export_image_model
from soutu.models.zoo.shelf import zoo_entry

begun = time.process_time()
name, weights, made = sys.argv[1:]
export_image_model(zoo_entry(name), ExportTerms(Path(weights)), Path(made))
print(f"took {time.process_time() - begun:.1f} s")
print(Path("/proc/self/status").read_text())
"""


def exported(name: str, weights: Path, made: Path) -> tuple[int, float]:
    """The most of memory in bytes, files that are mapped included, and the seconds that a core worked for it:
    what the clock says at the most on a quiet machine."""
    ended = subprocess.run(
        [sys.executable, "-c", EXPORT, name, str(weights), str(made)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert ended.returncode == 0, ended.stderr
    peak = re.search(r"VmHWM:\s+(\d+) kB", ended.stdout)
    took = re.search(r"took ([\d.]+) s", ended.stdout)
    assert peak
    assert took
    return 1024 * int(peak[1]), float(took[1])


def vit(layers: int, folder: Path) -> Path:
    """Seeded weights of a ViT-B/16 of so many layers."""
    import torch
    import transformers

    torch.manual_seed(0)
    transformers.ViTModel(transformers.ViTConfig(num_hidden_layers=layers)).save_pretrained(folder)
    return folder


def size_bytes(weights: Path) -> int:
    return (weights / "model.safetensors").stat().st_size


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read off /proc")
@pytest.mark.filterwarnings("ignore")  # of PyTorch
def test_an_export_has_the_weights_in_memory_once_beyond_pytorch(tmp_path: Path) -> None:
    """Of two networks that differ by layers alone: what more weights take, whatever the libraries take."""
    small, large = vit(2, tmp_path / "small"), vit(12, tmp_path / "large")
    least, _ = exported("vit-b16", small, tmp_path / "small-made")
    most, _ = exported("vit-b16", large, tmp_path / "large-made")
    copies = (most - least) / (size_bytes(large) - size_bytes(small))
    print(f"{least / 2**20:.0f} MiB, {most / 2**20:.0f} MiB: {copies:.2f} copies, PyTorch's among them")
    assert copies <= 2


@pytest.mark.filterwarnings("ignore")  # of PyTorch
def test_resnet_50_is_exported_within_a_minute(tmp_path: Path) -> None:
    from soutu.models.zoo.shelf import zoo_entry
    from tests.unit.models.export.networks import save_seeded

    save_seeded(zoo_entry("resnet50"), tmp_path / "weights")
    peak, took_s = exported("resnet50", tmp_path / "weights", tmp_path / "made")
    print(f"{took_s:.1f} s, {peak / 2**20:.0f} MiB")
    assert took_s <= 60
