"""LightGlue's comparison: P. Lindenberger, P.-E. Sarlin and M. Pollefeys, "LightGlue: Local feature matching
at light speed", 2023, as `transformers` has its network. It never stops early and drops no points: each pair
takes all layers."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from soutu.models.load.network import check_attention


class LightGlueComparison(nn.Module):
    """Normalised keypoints (n, k, 2) and descriptors (n, k, d) of two sets to float32 (n, k, k): the
    logarithm of how sure it is that each of the first is each of the second."""

    def __init__(self, network: Any) -> None:
        """`network` is a LightGlueForKeypointMatching as `load_network` answers with it: MODEL_INVALID where
        attention is another, which takes one without a mask for causal."""
        super().__init__()
        check_attention(network)
        self.project, self.encode = network.input_projection, network.positional_encoder
        self.layers, self.last = network.transformer_layers, network.match_assignment_layers[-1]

    def forward(
        self, keypoints0: Tensor, keypoints1: Tensor, descriptors0: Tensor, descriptors1: Tensor
    ) -> Tensor:
        """Logarithms of chances (n, k, k)."""
        places = torch.stack([keypoints0, keypoints1], dim=1).flatten(0, 1)
        values = self.project(torch.stack([descriptors0, descriptors1], dim=1).flatten(0, 1))
        (encoded,) = self.encode(places)
        for layer in self.layers:
            values = layer(values, encoded, attention_mask=None)[0]
        first, second = _pairs(self.last.final_projection(values) / values.shape[-1] ** 0.25)
        alike = first @ second.transpose(1, 2)
        one, other = _pairs(functional.logsigmoid(self.last.matchability(values)))
        return alike.log_softmax(dim=2) + alike.log_softmax(dim=1) + one + other.transpose(1, 2)


def _pairs(values: Tensor) -> tuple[Tensor, Tensor]:
    first, second = values.unflatten(0, (-1, 2)).unbind(dim=1)
    return first, second
