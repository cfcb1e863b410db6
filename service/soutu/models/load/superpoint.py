"""SuperPoint's maps: D. DeTone, T. Malisiewicz and A. Rabinovich, "SuperPoint: Self-supervised interest point
detection and description", 2018, as `transformers` has its network."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_CELL = 8
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, by which its photos were made grey


class SuperPointMaps(nn.Module):
    """float32 RGB (n, 3, height, width) from 0 to 1, sides multiples of 8, to `heat` (n, 1, height, width),
    nothing suppressed in it, and `descriptors` (n, 256, height / 8, width / 8), unit vectors."""

    def __init__(self, network: nn.Module) -> None:
        """`network` is a SuperPointForKeypointDetection of `transformers`."""
        super().__init__()
        self.encoder = network.encoder
        self.points, self.vectors = network.keypoint_decoder, network.descriptor_decoder

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """(heat, descriptors)."""
        weights = torch.tensor(_GREY, dtype=planes.dtype)[:, None, None]
        encoded = self.encoder((planes * weights).sum(dim=1, keepdim=True)).last_hidden_state
        logits = self.points.conv_score_b(functional.relu(self.points.conv_score_a(encoded)))
        heat = functional.pixel_shuffle(logits.softmax(dim=1)[:, :-1], _CELL)
        inner = functional.relu(self.vectors.conv_descriptor_a(encoded))
        return heat, functional.normalize(self.vectors.conv_descriptor_b(inner), dim=1)
