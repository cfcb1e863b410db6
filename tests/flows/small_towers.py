"""CLIP and SigLIP of `transformers`, small and with seeded weights, saved as a hub would have them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

SIDE, CONTEXT, DIMENSION = 32, 10, 24
WORDS = (
    *("[PAD]", "[UNK]", "a", "photo", "of", "red", "green", "blue", "cat", "dog", "in", "the", "snow"),
    *("[BOS]", "[EOS]"),
)
PAD, BEGIN, END = 0, WORDS.index("[BOS]"), WORDS.index("[EOS]")
_MEAN, _STD = np.array([0.48, 0.46, 0.41]), np.array([0.27, 0.26, 0.28])
_LAYERS = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_SEES = {**_LAYERS, "image_size": SIDE, "patch_size": 8}
_READS = {
    **_LAYERS,
    "vocab_size": len(WORDS),
    "max_position_embeddings": CONTEXT,
    "pad_token_id": PAD,
    "bos_token_id": BEGIN,
    "eos_token_id": END,
}
_ENTRY = """
name = "{name}"
task = "embed-image"
licence = "Apache-2.0"
restricted = false
dimension = {dimension}
pooling = "none"
network = {{ architecture = "{architecture}", features = "vector" }}
[text]
context = {context}
pad = {pad}
lowercase = true
probability = "{probability}"
[input]
width = {side}
height = {side}
mean = {mean}
std = {std}
"""


@dataclass(frozen=True, slots=True)
class Towers:
    """A network of two towers, with its folder of weights and the zoo's entry for it."""

    network: Any
    tokenizer: Tokenizer
    weights: Path
    entry: Path

    def cosines(self, pixels: NDArray[np.uint8], text: str) -> NDArray[np.float64]:
        """What `transformers` says, float64 (n,), of pictures uint8 (n, height, width, 3) and a text."""
        return self._answer(pixels, text).cosines

    def chances(self, pixels: NDArray[np.uint8], text: str) -> NDArray[np.float64]:
        """What SigLIP's sigmoid makes of them, float64 (n,)."""
        return self._answer(pixels, text).chances

    def alike(self, pixels: NDArray[np.uint8], place: int) -> NDArray[np.float64]:
        """The cosines, float64 (n,), of all pictures with the one at this place."""
        images: NDArray[np.float64] = self._answer(pixels, "a").images
        return np.asarray(images @ images[place], np.float64)

    def _answer(self, pixels: NDArray[np.uint8], text: str) -> "_Answer":
        planes = torch.from_numpy(((pixels / 255 - _MEAN) / _STD).transpose(0, 3, 1, 2).copy())
        tokens = torch.tensor([self.tokenizer.encode(text.lower()).ids])
        with torch.no_grad():
            answered = self.network(input_ids=tokens, pixel_values=planes)
        images, words = answered.image_embeds.numpy(), answered.text_embeds.numpy()
        chances = torch.sigmoid(answered.logits_per_image)[:, 0].numpy()
        return _Answer(images, (images @ words.T)[:, 0], chances)


@dataclass(frozen=True, slots=True)
class _Answer:
    images: NDArray[np.float64]
    cosines: NDArray[np.float64]
    chances: NDArray[np.float64]


def clip(place: Path) -> Towers:
    """CLIP, its text padded behind the end, which is where it reads."""
    config = transformers.CLIPConfig(text_config=_READS, vision_config=_SEES, projection_dim=DIMENSION)
    return _saved(transformers.CLIPModel, config, place, "softmax", DIMENSION, ends=True)


def siglip(place: Path) -> Towers:
    """SigLIP, which reads the last token, with a scale and a bias that tell pairs apart."""
    config = transformers.SiglipConfig(text_config=_READS, vision_config=_SEES)
    return _saved(transformers.SiglipModel, config, place, "sigmoid", _LAYERS["hidden_size"], ends=False)


def _saved(kind: Any, config: Any, place: Path, probability: str, dimension: int, ends: bool) -> Towers:
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(11)
    network = kind(config)
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:  # the usual random weights are so small that all texts are one
            torch.nn.init.normal_(parameter, std=0.3)
        elif name == "logit_scale":
            torch.nn.init.constant_(parameter, np.log(8.0))
        elif name == "logit_bias":
            torch.nn.init.constant_(parameter, -0.5)
    weights, entry = place / "weights", place / "entry.toml"
    network.save_pretrained(weights)
    tokenizer = _tokenizer(ends)
    tokenizer.save(str(weights / "tokenizer.json"))
    entry.write_text(
        _ENTRY.format(
            name=kind.__name__.lower(),
            dimension=dimension,
            architecture=kind.__name__,
            context=CONTEXT,
            pad=END if ends else PAD,
            probability=probability,
            side=SIDE,
            mean=_MEAN.tolist(),
            std=_STD.tolist(),
        )
    )
    tokenizer.enable_truncation(CONTEXT)
    tokenizer.enable_padding(length=CONTEXT, pad_id=END if ends else PAD)
    return Towers(network.double().eval(), tokenizer, weights, entry)


def _tokenizer(ends: bool) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    if ends:
        tokenizer.post_processor = TemplateProcessing(
            single="[BOS] $A [EOS]", special_tokens=[("[BOS]", BEGIN), ("[EOS]", END)]
        )
    return tokenizer
