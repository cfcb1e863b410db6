"""DISK's network: M. J. Tyszkiewicz, P. Fua and E. Trulls, "DISK: Learning local features with policy
gradient", 2020: a U-Net of one convolution a level, by the names of the weights that kornia publishes."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from soutu.domain.cards import invalid_model
from soutu.models.load.weights import read_weights

_DIMENSION = 128
_DOWN = (16, 32, 64, 64, 64)
_UP = (64, 64, 64, _DIMENSION + 1)
_SIDE = 5  # of kernels


class Disk(nn.Module):
    """float32 RGB (n, 3, height, width) from 0 to 1, sides multiples of 16, to `heat` (n, 1, height, width),
    the chance that a pixel is a keypoint, and `descriptors` (n, 128, height, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = _Unet()

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """(heat, descriptors)."""
        answered = self.unet(planes)
        return torch.sigmoid(answered[:, _DIMENSION:]), answered[:, :_DIMENSION]


def load_disk(path: Path) -> Disk:
    """The network with the weights of a safetensors file, in float32; MODEL_INVALID where they do not fit."""
    network = Disk()
    try:
        network.load_state_dict(dict(read_weights(path)))
    except RuntimeError as error:
        raise invalid_model(f"{path.name} does not fit DISK.") from error
    return network.eval().requires_grad_(False)


class _Unet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = (3, *_DOWN)
        self.path_down = nn.ModuleList(_downwards(widths))
        self.path_up = nn.ModuleList(_upwards(widths))

    def forward(self, planes: Tensor) -> Tensor:
        levels = [planes]
        for layer in self.path_down:
            levels.append(layer(levels[-1]))
        values = levels.pop()
        for layer in self.path_up:
            values = layer(values, levels.pop())
        return values


class _Up(nn.Module):
    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv = _gated(into, out)

    def forward(self, below: Tensor, beside: Tensor) -> Tensor:
        enlarged = functional.interpolate(below, scale_factor=2, mode="bilinear", align_corners=False)
        answer: Tensor = self.conv(torch.cat([enlarged, beside], dim=1))
        return answer


def _downwards(widths: tuple[int, ...]) -> Iterator[nn.Module]:
    first = [nn.Identity(), nn.Identity(), nn.Identity(), _conv(widths[0], widths[1])]
    yield nn.Sequential(nn.Identity(), nn.Sequential(*first))
    for into, out in pairwise(widths[1:]):
        yield nn.Sequential(nn.AvgPool2d(2), _gated(into, out))


def _upwards(widths: tuple[int, ...]) -> Iterator[nn.Module]:
    below = widths[-1]
    for beside, out in zip(reversed(widths[1:-1]), _UP, strict=True):
        yield _Up(below + beside, out)
        below = out


def _gated(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.InstanceNorm2d(into), nn.PReLU(into), nn.Identity(), _conv(into, out))


def _conv(into: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(into, out, _SIDE, padding=_SIDE // 2)
