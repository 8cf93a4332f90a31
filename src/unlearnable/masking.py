"""Where a picture hides a change: in texture, and least in even skin and sky."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LEAST = 0.2
"""The share of a budget that even parts get."""
BUSY = 16.0
"""Levels by which pixels differ, as a standard deviation, where the whole budget is hidden."""
REACH = 2  # pixels on each side that say how busy a place is


def texture(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.float32]:
    """The share of the budget for each pixel of an image that was brought to a size.

    An even place beside an edge counts as even: of four windows, to the upper left and so on, the
    evenest counts.

    Args:
        image: (H, W, 1 or 3).
        size: height and width in pixels.

    Returns:
        From `LEAST` to 1, of this size.

    Example:
        >>> texture(np.zeros((8, 8, 3), np.uint8), (2, 1)).tolist() == [[np.float32(LEAST)]] * 2
        True
    """
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("L")
    height, width = size
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    light = np.pad(np.asarray(picture, np.float64), 2 * REACH, mode="symmetric")
    variance = np.maximum(_means(light**2) - _means(light) ** 2, 0)
    places = (0, 2 * REACH)
    windows = [variance[y : y + height, x : x + width] for y in places for x in places]
    return np.clip(np.sqrt(np.min(windows, 0)) / BUSY, LEAST, 1).astype(np.float32)


def _means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each square of 2 · REACH + 1 pixels that lies within."""
    side = 2 * REACH + 1
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    total = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return total / side**2
