"""Model cards: what a served model is, and how pictures must be fitted to it."""

from dataclasses import dataclass, field
from enum import StrEnum


class Task(StrEnum):
    """What a model turns its input into."""

    EMBED_IMAGE = "embed-image"
    EMBED_TEXT = "embed-text"
    LOCAL_FEATURES = "local-features"  # a picture into keypoints with a descriptor each
    MATCH_FEATURES = "match-features"  # the local features of two pictures into matches


class Interpolation(StrEnum):
    """The resampling kernel that a model was trained with."""

    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class Fit(StrEnum):
    """How an image of any shape becomes the model's rectangle."""

    CROP = "crop"  # short side to size / crop_fraction, then the central square
    STRETCH = "stretch"  # both sides to size, aspect ratio lost
    PAD = "pad"  # long side to size, the rest filled with the mean colour


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The picture a model takes: uint8 RGB of shape (height, width, 3)."""

    width: int
    height: int
    fit: Fit = Fit.CROP
    crop_fraction: float = 1.0
    interpolation: Interpolation = Interpolation.BILINEAR

    @property
    def key(self) -> str:
        """Names the fit in cache keys: two models with equal keys can share fitted pixels."""
        return f"{self.width}x{self.height}-{self.fit}-{self.crop_fraction:g}-{self.interpolation}"


@dataclass(frozen=True, slots=True)
class BatchSizes:
    """How many pictures, or texts, a server runs a model on at a time: from one to `most`, and quickest with
    `usual`."""

    usual: int = 8
    most: int = 32


@dataclass(frozen=True, slots=True, order=True)
class ModelRef:
    """A model's name and version; written `name@version`."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


class Probability(StrEnum):
    """How the cosines of a picture and several texts become the chances that the texts describe it."""

    SOFTMAX = "softmax"  # of scale * cosine + bias, over the texts: they sum to one (CLIP)
    SIGMOID = "sigmoid"  # of scale * cosine + bias, each text by itself (SigLIP)


@dataclass(frozen=True, slots=True)
class TextTower:
    """The part of a model that embeds texts in the space of its pictures.

    `artefact` takes int64 token ids of shape (n, context) under the name "tokens" and returns float32 unit
    vectors of shape (n, dimension) under the name "embedding". `tokenizer` is a file of the `tokenizers`
    library; shorter texts are filled up with the token `pad`. Both files lie beside the model's artefact,
    and their SHA-256 are in hexadecimal.
    """

    sha256: str
    tokenizer_sha256: str
    context: int
    artefact: str = "text.onnx"
    tokenizer: str = "tokenizer.json"
    pad: int = 0
    scale: float = 100.0
    bias: float = 0.0
    probability: Probability = Probability.SOFTMAX


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The facts about one model version; immutable once added.

    `sha256` is of the artefact file, in hexadecimal. `dimension` is the length of the unit vectors it
    returns, or takes. What the artefact takes and returns follows from `task` (`domain.tensors`).
    `languages` are those of its text tower, as BCP 47 tags. `batch` is what plans, servers and requests to
    them are made for. Models of local features have `keypoints` of each picture, always as many; a matcher's
    `input` is the rectangle that they lie in, and `features` the name of the model that finds them.
    """

    ref: ModelRef
    task: Task
    dimension: int
    input: InputSpec
    pooling: str
    licence: str
    source: str
    sha256: str
    artefact: str = "model.onnx"
    description: str = ""
    languages: tuple[str, ...] = field(default=())
    text: TextTower | None = None
    batch: BatchSizes = BatchSizes()
    keypoints: int = 0
    features: str = ""
