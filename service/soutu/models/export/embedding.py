"""The whole way from pixels to unit vectors as one PyTorch module, which is what gets exported."""

import torch
from torch import Tensor, nn

from soutu.domain.cards import invalid_model
from soutu.models.normalisation import Normalisation
from soutu.models.pooling import Pooling, check_pooling
from soutu.models.reduction import Reduction
from soutu.models.zoo.entry import Features, Texts, ZooEntry

_SMALLEST_LENGTH = 1e-12
_SMALLEST_ACTIVATION = 1e-6
_RANKS = {Features.MAP: 4, Features.TOKENS: 3, Features.VECTOR: 2}


class ImageTower(nn.Module):
    """uint8 pixels (n, height, width, 3) to unit vectors (n, dimension), in the precision of its weights."""

    scale: Tensor
    offset: Tensor

    def __init__(
        self, network: nn.Module, entry: ZooEntry, pooling: Pooling, reduction: Reduction | None = None
    ) -> None:
        """MODEL_INVALID where the network's features cannot be pooled so."""
        super().__init__()
        check_pooling(pooling, _RANKS[entry.network.features])
        self.network = network
        self._features, self._pooling = entry.network.features, pooling
        self.reduce = None if reduction is None else _linear(reduction)
        scale, offset = _affine(entry.normalisation)
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)

    def forward(self, pixels: Tensor) -> Tensor:
        """Unit vectors (n, dimension)."""
        vectors = pool(self.features(pixels), self._pooling)
        return unit(vectors if self.reduce is None else self.reduce(unit(vectors)))

    def features(self, pixels: Tensor) -> Tensor:
        """What the network answers with, before pooling: (n, c, h, w), (n, tokens, c) or (n, d)."""
        planes = (pixels.to(self.scale.dtype) * self.scale - self.offset).permute(0, 3, 1, 2)
        if self._features is not Features.VECTOR:
            answered: Tensor = self.network(planes).last_hidden_state
            return answered
        if hasattr(self.network, "get_image_features"):
            embedded: Tensor = self.network.get_image_features(planes).pooler_output
            return embedded
        raise invalid_model("The network pools nothing by itself: its features are a map or tokens.")


class TextTowerModule(nn.Module):
    """int64 tokens (n, context) to unit vectors (n, dimension), in the precision of its weights."""

    def __init__(self, network: nn.Module, texts: Texts) -> None:
        super().__init__()
        self.network, self._texts = network, texts

    def forward(self, tokens: Tensor) -> Tensor:
        """Unit vectors (n, dimension)."""
        mask = {"attention_mask": (tokens != self._texts.pad).long()} if self._texts.masked else {}
        embedded: Tensor = self.network.get_text_features(tokens, **mask).pooler_output
        return unit(embedded)


def pool(features: Tensor, pooling: Pooling) -> Tensor:
    """The vectors (n, channels) of features; `pooling` says how, as `models.pooling.pooled` does in ONNX."""
    if pooling.kind == "none":
        return features
    if pooling.kind == "cls":
        return features[:, 0]
    places = (
        features[:, pooling.skipped_tokens :].transpose(1, 2) if features.ndim == 3 else features.flatten(2)
    )
    if pooling.kind == "max":
        return places.amax(dim=2)
    if pooling.kind == "avg":
        return places.mean(dim=2)
    powered = places.clamp(min=_SMALLEST_ACTIVATION).pow(pooling.exponent)
    return powered.mean(dim=2).pow(1 / pooling.exponent)


def unit(vectors: Tensor) -> Tensor:
    """The same directions, of length one; a zero vector stays one."""
    return vectors / vectors.square().sum(dim=1, keepdim=True).sqrt().clamp(min=_SMALLEST_LENGTH)


def _affine(normalisation: Normalisation) -> tuple[Tensor, Tensor]:
    """(scale, offset), float32 (3,): pixel * scale - offset is what the network was trained to see."""
    std = torch.tensor(normalisation.std, dtype=torch.float64)
    mean = torch.tensor(normalisation.mean, dtype=torch.float64)
    return (normalisation.scale / std).float(), (mean / std).float()


def _linear(reduction: Reduction) -> nn.Linear:
    """matrix @ vector + offset, as a layer."""
    out, into = reduction.matrix.shape
    layer = nn.utils.skip_init(nn.Linear, into, out)
    layer.weight.data = torch.from_numpy(reduction.matrix.copy())
    layer.bias.data = torch.from_numpy(reduction.offset.copy())
    return layer.requires_grad_(False)
