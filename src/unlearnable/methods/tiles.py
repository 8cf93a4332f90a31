"""Noise of square tiles: how many an image has, and tiles as pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet


def grid_of(images: ImageSet, side: int) -> tuple[int, int, int]:
    """Channels, and rows and columns of tiles, the last of which may be cut."""
    height, width = images.size
    return images.channels, -(-height // side), -(-width // side)


def pixels_of(tiles: NDArray[np.float64], side: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """Values of tiles (n, C, rows, columns) on the pixels of a size, (n, C, H, W)."""
    pixels = tiles.repeat(side, axis=2).repeat(side, axis=3)
    return pixels[:, :, : size[0], : size[1]]
