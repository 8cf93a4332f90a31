"""Noise on a picture of any size, a channel at a time, so that memory stays small."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from unlearnable.data.files import Picture
from unlearnable.noise import MIDDLE, Budget, Noise, enlarged

STRIP = 1 << 20  # pixels handled at a time


def with_noise(picture: Picture, noise: Noise, row: int) -> Picture:
    """The picture with a row of noise, brought to its size: to the pixel what `Noise.add_to` gives.

    Raises:
        SettingError: the noise has another size and cannot be brought to this one.
    """
    clean = picture.colours
    height, width, channels = clean.shape
    _, own, *size = noise.values.shape
    small = noise.budget.norm == "linf" and noise.budget.size < MIDDLE
    if not small or size == [height, width] or channels < own:
        return picture.recoloured(noise.add_to(clean, row))
    out = np.empty_like(clean)
    values = noise.levels(row, noise.within(clean))
    for channel in range(channels):  # by Pillow, whose sum is clipped and needs no wider numbers
        light = Image.fromarray(np.ascontiguousarray(clean[:, :, channel]))
        change = enlarged(values[channel % own], (width, height))
        out[:, :, channel] = np.asarray(ImageChops.add(light, change, offset=-MIDDLE))
    return picture.recoloured(out)


def strips(height: int, width: int) -> list[slice]:
    """The rows of a picture in parts of about a megapixel."""
    rows = max(1, STRIP // width)
    return [slice(first, min(first + rows, height)) for first in range(0, height, rows)]


def largest_change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> int:
    """The largest difference of two pictures (H, W, C), in levels."""
    return max(
        int(np.abs(after[rows].astype(np.int16) - before[rows]).max(initial=0))
        for rows in strips(*before.shape[:2])
    )


def keeps(budget: Budget, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    """Whether the change from one picture to another is within a budget."""
    if budget.norm == "linf":
        return largest_change(before, after) <= budget.size
    return budget.admits((after.astype(np.int16) - before).transpose(2, 0, 1)[None])
