"""How networks were trained to see pixels."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How the backbone was trained to see pixels: (pixel * scale - mean) / std, by channel, R G B."""

    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
"""What torchvision's and the ONNX model zoo's classifiers were trained with."""
