"""Weights of a vision transformer by the names of timm, renamed for `transformers`.

timm keeps queries, keys and values in one matrix; the classification head is left out.
"""

import re
from collections.abc import Iterator, Mapping

import torch

from soutu.domain.cards import invalid_model

Weights = Mapping[str, torch.Tensor]

_OUTER = {
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
}
_INNER = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.o_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_BLOCK = re.compile(r"blocks\.(\d+)\.(.+)\.(weight|bias)")


def vit_from_timm(weights: Weights) -> dict[str, torch.Tensor]:
    """The same tensors as `ViTModel` calls them; MODEL_INVALID for a name that a ViT of timm has not."""
    return dict(renamed for name, tensor in weights.items() for renamed in _renamed(name, tensor))


def _renamed(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    if name.startswith("head."):
        return
    if name in _OUTER:
        yield _OUTER[name], tensor
    elif block := _BLOCK.fullmatch(name):
        yield from _of_block(block, tensor)
    elif (stem := name.rpartition("."))[0] in _OUTER:
        yield f"{_OUTER[stem[0]]}.{stem[2]}", tensor
    else:
        raise invalid_model(f"A vision transformer of timm has no tensor {name!r}.")


def _of_block(block: re.Match[str], tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    number, part, kind = block.groups()
    if part == "attn.qkv":
        for letter, third in zip("qkv", tensor.chunk(3), strict=True):
            yield f"layers.{number}.attention.{letter}_proj.{kind}", third.contiguous()
    elif part in _INNER:
        yield f"layers.{number}.{_INNER[part]}.{kind}", tensor
    else:
        raise invalid_model(f"A block of a vision transformer of timm has no part {part!r}.")
