"""How visible a change is: PSNR and SSIM of 8-bit images."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW = 7
PEAK = 255.0
BLOCK = 64  # pixels, the largest block of any usual encoder
LARGEST = 1 << 20  # pixels up to which a picture is looked at as a whole
TILE, TILES = 256, 4  # pixels to a side, a multiple of every encoder's blocks; along each side


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB of two images of one shape; infinite if they are equal."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return math.inf if error == 0 else 10 * math.log10(PEAK**2 / error)


def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Structural similarity (Wang et al., 2004) of two images (H, W) or (H, W, C), H, W ≥ 7.

    Mean over channels and over all 7×7 windows that lie inside the image, with sample covariance.
    """
    x, y = (np.atleast_3d(image).transpose(2, 0, 1).astype(np.int32) for image in (a, b))
    sx, sy = _window_sums(x), _window_sums(y)
    count = WINDOW**2
    vx, vy, vxy = (
        (count * _window_sums(product) - sums) / (count * (count - 1))
        for product, sums in ((x * x, sx * sx), (y * y, sy * sy), (x * y, sx * sy))
    )
    mx, my = sx / count, sy / count
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    top = (2 * mx * my + c1) * (2 * vxy + c2)
    return float(np.mean(top / ((mx * mx + my * my + c1) * (vx + vy + c2))))


def survived(parts: Iterable[tuple[NDArray[np.uint8], ...]]) -> float | None:
    """The share of a change δ that a step c leaves: ⟨c(x + δ) − c(x), δ⟩ / ⟨δ, δ⟩ over all parts.

    Args:
        parts: x, x + δ, c(x) and c(x + δ) each, of one shape.

    Returns:
        None if nothing was changed.
    """
    along, whole = 0.0, 0.0
    for before, noisy, through, noisy_through in parts:
        change = noisy.astype(np.float64) - before
        along += float(((noisy_through.astype(np.float64) - through) * change).sum())
        whole += float((change * change).sum())
    return along / whole if whole else None


def tiles(pixels: NDArray[Any]) -> list[NDArray[Any]]:
    """A picture (H, W, C), or 16 squares of it if it is large: figures of it cost the same then.

    The squares lie at the same places in pictures of one size, and on no encoder's blocks in part.
    """
    height, width = pixels.shape[:2]
    if height * width <= LARGEST:
        return [pixels]
    return [
        pixels[top : top + TILE, left : left + TILE]
        for top in _starts(height)
        for left in _starts(width)
    ]


def _starts(length: int) -> list[int]:
    """Where squares begin along a side, spread evenly; one if it is short."""
    room = max(0, length - TILE)
    places = np.linspace(0, room, TILES if room >= TILE else 1)
    return [int(place) // BLOCK * BLOCK for place in places]


def _window_sums(x: NDArray[np.int32]) -> NDArray[np.int32]:
    """The sum over every window, (C, H - 6, W - 6); running sums may wrap, as differences do not.

    Squares and products of sums of levels fit as well: 49 · 49 · 255² is less than 2³¹.
    """
    across = np.cumsum(x, axis=2, dtype=np.int32)
    across[:, :, WINDOW:] -= across[:, :, :-WINDOW].copy()
    down = np.cumsum(across[:, :, WINDOW - 1 :], axis=1, dtype=np.int32)
    down[:, WINDOW:] -= down[:, :-WINDOW].copy()
    return down[:, WINDOW - 1 :]
