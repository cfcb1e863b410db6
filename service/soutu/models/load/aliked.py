"""ALIKED's network: X. Zhao et al., "ALIKED: A lighter keypoint and descriptor extraction network via
deformable transformation", 2023; by the names of the weights that its authors publish.

Deformable convolutions (J. Dai et al., 2017) are nine samplings of a map at places that a convolution
predicts, and a product with the weights: that needs neither torchvision nor ONNX's DeformConv, which few
engines have.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from soutu.domain.cards import invalid_model
from soutu.models.load.weights import read_weights
from soutu.models.local.aliked import AlikedDescriptors

_WIDTHS = (16, 32, 64, 128)
_DIMENSION = 128
_POSITIONS = 16  # that a descriptor is made of
_SIDE = 3  # of kernels


class Aliked(nn.Module):
    """float32 RGB (n, 3, height, width) from 0 to 1, sides multiples of 32, to `heat` (n, 1, height, width)
    and `features` (n, 128, height, width), unit vectors."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four = _WIDTHS
        self.block1 = _ConvBlock(3, one)
        self.block2 = _ResidualBlock(one, two, deformable=False)
        self.block3 = _ResidualBlock(two, three, deformable=True)
        self.block4 = _ResidualBlock(three, four, deformable=True)
        quarter = _DIMENSION // 4
        self.conv1, self.conv2, self.conv3, self.conv4 = (
            nn.Conv2d(width, quarter, 1, bias=False) for width in _WIDTHS
        )
        self.score_head = nn.Sequential(
            nn.Conv2d(_DIMENSION, 8, 1, bias=False),
            nn.SELU(),
            _conv(8, 4),
            nn.SELU(),
            _conv(4, 4),
            nn.SELU(),
            _conv(4, 1),
        )
        self.desc_head = _DescriptorHead()

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """(heat, features)."""
        first = self.block1(planes)
        second = self.block2(functional.avg_pool2d(first, 2))
        third = self.block3(functional.avg_pool2d(second, 4))
        fourth = self.block4(functional.avg_pool2d(third, 4))
        levels = [
            functional.selu(self.conv1(first)),
            _enlarged(functional.selu(self.conv2(second)), 2),
            _enlarged(functional.selu(self.conv3(third)), 8),
            _enlarged(functional.selu(self.conv4(fourth)), 32),
        ]
        features = torch.cat(levels, dim=1)
        return torch.sigmoid(self.score_head(features)), functional.normalize(features, dim=1)

    def descriptors(self) -> AlikedDescriptors:
        """The weights of what samples the features around each keypoint."""
        head = self.desc_head
        arrays = {
            "offsets": head.offset_conv[0].weight,
            "offsets_bias": head.offset_conv[0].bias,
            "again": head.offset_conv[2].weight.flatten(1),
            "again_bias": head.offset_conv[2].bias,
            "mixed": head.sf_conv.weight.flatten(1),
            "gathered": head.agg_weights,
        }
        return AlikedDescriptors(**{name: each.detach().float().numpy() for name, each in arrays.items()})


def load_aliked(path: Path) -> Aliked:
    """The network with the weights of a safetensors file, in float32; MODEL_INVALID where they do not fit."""
    network = Aliked()
    try:
        network.load_state_dict(dict(read_weights(path)))
    except RuntimeError as error:
        raise invalid_model(f"{path.name} does not fit ALIKED n16.") from error
    return network.eval().requires_grad_(False)


class _DescriptorHead(nn.Module):
    """Only its weights are used here; models.local.aliked computes with them."""

    def __init__(self) -> None:
        super().__init__()
        self.offset_conv = nn.Sequential(
            nn.Conv2d(_DIMENSION, 2 * _POSITIONS, _SIDE),
            nn.SELU(),
            nn.Conv2d(2 * _POSITIONS, 2 * _POSITIONS, 1),
        )
        self.sf_conv = nn.Conv2d(_DIMENSION, _DIMENSION, 1, bias=False)
        self.agg_weights = nn.Parameter(torch.empty(_POSITIONS, _DIMENSION, _DIMENSION))


class _ConvBlock(nn.Module):
    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(into, out), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = _conv(out, out), nn.BatchNorm2d(out)

    def forward(self, values: Tensor) -> Tensor:
        values = functional.selu(self.bn1(self.conv1(values)))
        return functional.selu(self.bn2(self.conv2(values)))


class _ResidualBlock(nn.Module):
    def __init__(self, into: int, out: int, deformable: bool) -> None:
        super().__init__()
        conv = _DeformableConv if deformable else _conv
        self.conv1, self.bn1 = conv(into, out), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = conv(out, out), nn.BatchNorm2d(out)
        self.downsample = nn.Conv2d(into, out, 1)

    def forward(self, values: Tensor) -> Tensor:
        inner = functional.selu(self.bn1(self.conv1(values)))
        return functional.selu(self.bn2(self.conv2(inner)) + self.downsample(values))


class _DeformableConv(nn.Module):
    """A 3 x 3 convolution whose nine places move by what `offset_conv` says, (down, across) for each; what
    lies outside is 0."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.offset_conv = nn.Conv2d(into, 2 * _SIDE * _SIDE, _SIDE, padding=1)
        self.regular_conv = _conv(into, out)

    def forward(self, values: Tensor) -> Tensor:
        height, width = values.shape[2:]
        furthest = max(height, width) / 4
        offsets = self.offset_conv(values).clamp(-furthest, furthest)
        offsets = offsets.unflatten(1, (_SIDE * _SIDE, 2))  # (n, 9, 2, height, width)
        steps = torch.arange(-1, 2, dtype=values.dtype)
        down, across = torch.meshgrid(steps, steps, indexing="ij")
        rows = torch.arange(height, dtype=values.dtype)[:, None] + down.reshape(-1, 1, 1)
        columns = torch.arange(width, dtype=values.dtype) + across.reshape(-1, 1, 1)
        grid = torch.stack(
            [
                (columns + offsets[:, :, 1]) * (2 / max(width - 1, 1)) - 1,
                (rows + offsets[:, :, 0]) * (2 / max(height - 1, 1)) - 1,
            ],
            dim=-1,
        )
        weights = self.regular_conv.weight.flatten(2)  # (out, into, 9)
        answer: Tensor = sum(
            functional.conv2d(
                functional.grid_sample(values, grid[:, place], align_corners=True),
                weights[:, :, place, None, None],
            )
            for place in range(_SIDE * _SIDE)
        )
        return answer


def _conv(into: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(into, out, _SIDE, padding=1, bias=False)


def _enlarged(values: Tensor, times: int) -> Tensor:
    return functional.interpolate(values, scale_factor=times, mode="bilinear", align_corners=True)
