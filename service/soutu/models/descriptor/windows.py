"""Gaussian windows over a square picture, as rows of weights that sum to one."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def centre_window(side: int, sigma: float) -> Floats:
    """One window on the middle: shape (1, side * side); `sigma` as a fraction of the side."""
    return _windows(side, np.array([0.5]), sigma)


def cell_windows(side: int, cells: int) -> Floats:
    """Overlapping windows on a grid, row by row: shape (cells * cells, side * side)."""
    centres = (np.arange(cells) + 0.5) / cells
    return _windows(side, centres, sigma=0.4 / cells)


def _windows(side: int, centres: NDArray[np.float64], sigma: float) -> Floats:
    places = (np.arange(side) + 0.5) / side
    profile = np.exp(-((places - centres[:, None]) ** 2) / (2 * sigma**2))
    windows = np.einsum("ay,bx->abyx", profile, profile).reshape(len(centres) ** 2, side * side)
    # Rounded, so that machines whose exp differs in the last bit write the same file.
    shares: Floats = np.round(windows / windows.sum(axis=1, keepdims=True), 8).astype(np.float32)
    return shares
