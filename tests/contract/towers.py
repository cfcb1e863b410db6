"""A real model of two towers that knows colours by name: "red" finds red pictures.

Its space has a direction for each of red, green and blue, and one that everything has. A picture lies where
its mean colour is, a text where the colours of its words are on average.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from soutu.domain.cards import CARD_FILE, card_text
from soutu.domain.model import InputSpec, ModelCard, ModelRef, Probability, Task, TextTower
from soutu.models.graph import GraphWriter, embedding_output, model_of, pixels_input, tokens_input

TWO_TOWERS = ModelRef("colour-words", "1")
DIMENSION = 8
SIDE = 16
CONTEXT = 12
SCALE, BIAS = 20.0, -10.0
NEUTRAL = (0.0, 0.0, 0.0)
WORDS: Mapping[str, tuple[float, float, float]] = {
    "[PAD]": NEUTRAL,
    "[UNK]": NEUTRAL,
    **dict.fromkeys(("a", "an", "of", "the", "photo", "picture", "色"), NEUTRAL),
    **dict.fromkeys(("red", "红"), (1.0, -1.0, -1.0)),
    **dict.fromkeys(("green", "绿"), (-1.0, 1.0, -1.0)),
    **dict.fromkeys(("blue", "蓝"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("yellow", "黄"), (1.0, 1.0, -1.0)),
    **dict.fromkeys(("white", "白"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("black", "黑"), (-1.0, -1.0, -1.0)),
}
_ALIKE_ALL = 0.2  # along the direction that everything has
# Four directions of the space that are at right angles to each other, of length one.
_DIRECTIONS = np.linalg.qr(np.random.default_rng(7).normal(size=(DIMENSION, 4)))[0].T.astype(np.float32)


def in_space(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (n, dimension), of any length, of colours (n, 3) within [-1, 1]."""
    return np.hstack([colour, np.full((len(colour), 1), _ALIKE_ALL, np.float32)]) @ _DIRECTIONS


COLOURS = in_space(np.asarray(list(WORDS.values()), np.float32))


def tokenizer(unknown: str = "[UNK]") -> bytes:
    """The tokenizer.json of the words; Chinese ones are of one character. It fails on words that it does not
    know where `unknown` is none either."""
    words = Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token=unknown))
    words.normalizer = BertNormalizer(lowercase=True)
    words.pre_tokenizer = BertPreTokenizer()
    return words.to_str().encode()


def text_tower(vectors: NDArray[np.float32], context: int = CONTEXT) -> bytes:
    """The artefact that answers with the mean of its tokens' `vectors`; token 0 is padding."""
    graph = GraphWriter()
    real = graph.node("Cast", graph.node("Greater", "tokens", 0), to=TensorProto.FLOAT)
    each = graph.node("Mul", graph.node("Gather", vectors, "tokens"), graph.node("Unsqueeze", real, [-1]))
    _unit(graph, graph.node("ReduceSum", each, [1], keepdims=0))
    model = model_of(graph, "words", tokens_input(context), embedding_output(vectors.shape[1]))
    return model.SerializeToString()


def image_tower() -> bytes:
    """The artefact that answers with the mean colour."""
    graph = GraphWriter()
    values = graph.node("Cast", "pixels", to=TensorProto.FLOAT)
    mean = graph.node("ReduceMean", values, axes=[1, 2], keepdims=0)
    colour = graph.node("Sub", graph.node("Div", mean, 127.5), 1.0)
    placed = graph.node("MatMul", colour, _DIRECTIONS[:3])
    _unit(graph, graph.node("Add", placed, _ALIKE_ALL * _DIRECTIONS[3]))
    model = model_of(graph, "colours", pixels_input(SIDE, SIDE), embedding_output(DIMENSION))
    return model.SerializeToString()


def write_two_towers(
    folder: Path,
    text: bytes = b"",
    words: bytes = b"",
    ref: ModelRef = TWO_TOWERS,
    probability: Probability = Probability.SOFTMAX,
) -> ModelCard:
    """Writes the model's folder, with another text tower or tokenizer where one is given. Of sigmoid, the
    chance of a cosine of 0.5 is a half."""
    image, text, words = image_tower(), text or text_tower(COLOURS), words or tokenizer()
    bias = BIAS if probability is Probability.SIGMOID else 0.0
    card = ModelCard(
        ref=ref,
        task=Task.EMBED_IMAGE,
        dimension=DIMENSION,
        input=InputSpec(SIDE, SIDE),
        pooling="avg",
        licence="Apache-2.0",
        source="a test",
        sha256=_sha256(image),
        languages=("en", "zh"),
        text=TextTower(
            _sha256(text), _sha256(words), CONTEXT, scale=SCALE, bias=bias, probability=probability
        ),
    )
    assert card.text
    folder.mkdir(parents=True, exist_ok=True)
    (folder / card.artefact).write_bytes(image)
    (folder / card.text.artefact).write_bytes(text)
    (folder / card.text.tokenizer).write_bytes(words)
    (folder / CARD_FILE).write_text(card_text(card), encoding="utf-8")
    return card


def _unit(graph: GraphWriter, vectors: str) -> None:
    squares = graph.node("ReduceSum", graph.node("Mul", vectors, vectors), [1], keepdims=1)
    graph.node("Div", vectors, graph.node("Sqrt", squares), name="embedding")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
