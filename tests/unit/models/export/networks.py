"""Networks of `transformers` with seeded random weights, saved as a hub would have them.

Transformers have their width and two of their twelve layers, which are all alike: to trace the others takes
time and shows nothing new. The convolutional ones are whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from soutu.models.zoo.entry import ZooEntry

Vectors = NDArray[np.float64]
VOCABULARY = 600
_SHALLOW = {"num_hidden_layers": 2}
_SMALL_TEXT = {
    **_SHALLOW,
    "vocab_size": VOCABULARY,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


@dataclass(frozen=True, slots=True)
class Seeded:
    """What `transformers` calls a network's configuration, and how it differs from that class's own."""

    config: str
    changes: Mapping[str, Any]


SEEDED: Mapping[str, Seeded] = {
    "resnet50": Seeded("ResNetConfig", {}),
    "vit-b16": Seeded("ViTConfig", _SHALLOW),
    "dinov2-small": Seeded(
        "Dinov2Config",
        {**_SHALLOW, "image_size": 518, "patch_size": 14, "hidden_size": 384, "num_attention_heads": 6},
    ),
    "efficientnet-b3": Seeded(
        "EfficientNetConfig",
        {"width_coefficient": 1.2, "depth_coefficient": 1.4, "image_size": 300, "hidden_dim": 1536},
    ),
    "mobilenet-v2": Seeded("MobileNetV2Config", {}),
    "clip-b32": Seeded("CLIPConfig", {"text_config": _SMALL_TEXT, "vision_config": _SHALLOW}),
    "siglip2-base": Seeded("SiglipConfig", {"text_config": _SMALL_TEXT, "vision_config": _SHALLOW}),
    "chinese-clip-b16": Seeded(
        "ChineseCLIPConfig",
        {"text_config": _SMALL_TEXT, "vision_config": {**_SHALLOW, "patch_size": 16}},
    ),
}


def save_seeded(entry: ZooEntry, folder: Path) -> torch.nn.Module:
    """Writes config.json, model.safetensors and a tokenizer; the network, as `transformers` has it."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(5)
    seeded = SEEDED[entry.name]
    network = getattr(transformers, entry.network.architecture)(
        getattr(transformers, seeded.config)(**seeded.changes)
    )
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)  # batch norm that does something
    network.save_pretrained(folder)
    if entry.text:
        _save_words(folder, entry.text.tokenizer)
    return network.eval()


def expected_pictures(network: Any, entry: ZooEntry, pixels: NDArray[np.uint8]) -> Vectors:
    """What the network answers to pictures, pooled as the entry says by numpy, of length one."""
    seen = (pixels / 255 - np.array(entry.normalisation.mean)) / np.array(entry.normalisation.std)
    planes = torch.from_numpy(np.ascontiguousarray(seen.transpose(0, 3, 1, 2))).double()
    with torch.no_grad():
        precise = network.double()
        if entry.pooling == "none":
            vectors = precise.get_image_features(planes).pooler_output.numpy()
        else:
            features = precise(planes).last_hidden_state.numpy()
            vectors = features[:, 0] if entry.pooling == "cls" else features.mean(axis=(2, 3))
    return units(vectors)


def expected_texts(network: Any, tokens: NDArray[np.int64], mask: NDArray[np.int64] | None) -> Vectors:
    """What the network answers to texts, of length one."""
    given = None if mask is None else torch.from_numpy(mask)
    with torch.no_grad():
        answered = network.double().get_text_features(torch.from_numpy(tokens), attention_mask=given)
    return units(answered.pooler_output.numpy())


def units(vectors: NDArray[Any]) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float64)


def _save_words(folder: Path, name: str) -> None:
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789,红色的苹果街道上一辆黄出租车"]
    words = [
        "[PAD]",
        "[BOS]",
        "[EOS]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *(f"##{each}" for each in letters),
    ]
    if name == "vocab.txt":
        (folder / name).write_text("\n".join(words), encoding="utf-8")
        return
    vocabulary = {word: place for place, word in enumerate(words)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.save(str(folder / name))
