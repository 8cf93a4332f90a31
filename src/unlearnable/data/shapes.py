"""The built-in synthetic set: ten shapes at 32×32, for the demo and the tests.

Colours, place, size, turn, background and grain are drawn anew for each image, so that neither one
colour nor one pixel tells the classes apart; a small network learns them to over 90 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from unlearnable.data.gather import from_arrays
from unlearnable.data.imageset import ImageSet
from unlearnable.data.tree import Split
from unlearnable.errors import SettingError

SIDE = 32
SCALE = 4  # drawn larger and brought down, for smooth edges
CONTRAST = (30, 80)  # mean difference of the two colours, in levels
CLOUDS, GRAIN = 10, (1, 2)  # strength of the background and of pixel noise, in levels
RADIUS = (0.26, 0.42)  # of the shape, in image sides
TURN = math.pi  # largest turn either way, in radians
Point = tuple[float, float]


def shapes(count: int | None = None, *, split: Split = "train", seed: int = 0) -> ImageSet:
    """Draw the set: `count` images (3,000 to train, 1,000 to test by default), classes in turn.

    Example:
        >>> shapes(20).images.shape
        (20, 32, 32, 3)
    """
    count = count or {"train": 3000, "test": 1000}[split]
    if count < len(SHAPES):
        raise SettingError(f"shapes has {len(SHAPES)} classes: {count} images are too few.")
    rng = np.random.default_rng([seed, split == "test"])
    labels = np.arange(count, dtype=np.int64) % len(SHAPES)
    draw = list(SHAPES.values())
    images = np.stack([_image(draw[label], rng) for label in labels])
    return from_arrays(images, labels, list(SHAPES), source="shapes")


def _image(outline: Callable[[], list[list[Point]]], rng: np.random.Generator) -> NDArray[np.uint8]:
    mask = _mask(outline(), rng)[:, :, None]
    ground, ink = _two_colours(rng)
    pixels = (ground + _clouds(rng)) * (1 - mask) + (ink + _clouds(rng)) * mask
    pixels += rng.normal(0, rng.uniform(*GRAIN), (SIDE, SIDE, 3))
    return np.rint(pixels).clip(0, 255).astype(np.uint8)


def _two_colours(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    while True:
        ground, ink = rng.uniform(30, 225, (2, 3))
        if CONTRAST[0] < np.abs(ground - ink).mean() < CONTRAST[1]:
            return ground, ink


def _clouds(rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth random background, (SIDE, SIDE, 3), around zero."""
    coarse = rng.normal(0, CLOUDS, (3, 5, 5)).astype(np.float32)
    smooth = [Image.fromarray(c).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for c in coarse]
    return np.stack([np.asarray(c, dtype=np.float64) for c in smooth], axis=2)


def _mask(parts: list[list[Point]], rng: np.random.Generator) -> NDArray[np.float64]:
    """Coverage of each pixel by the shape: parts are filled by the even-odd rule."""
    radius = rng.uniform(*RADIUS) * SIDE * SCALE
    centre = SIDE * SCALE / 2 + rng.uniform(-1, 1, 2) * (SIDE * SCALE / 2 - radius) * 0.8
    turn = rng.uniform(-TURN, TURN)
    cos, sin = radius * math.cos(turn), radius * math.sin(turn)
    covered = np.zeros((SIDE * SCALE, SIDE * SCALE), dtype=bool)
    for part in parts:
        layer = Image.new("1", (SIDE * SCALE, SIDE * SCALE))
        points = [(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos) for x, y in part]
        ImageDraw.Draw(layer).polygon(points, fill=1)
        covered ^= np.asarray(layer)
    return covered.reshape(SIDE, SCALE, SIDE, SCALE).mean((1, 3))


def _arc(
    radius: float = 1.0, start: float = 0.0, end: float = 2.0, corners: int = 48
) -> list[Point]:
    """Points on a circle, from `start` to `end` in units of π."""
    angles = np.linspace(start * math.pi, end * math.pi, corners + 1)
    return [(radius * math.cos(a), radius * math.sin(a)) for a in angles]


def _box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _star() -> list[list[Point]]:
    angles = [math.pi * (i / 5 - 0.5) for i in range(10)]
    radii = [1.0, 0.42] * 5
    return [[(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)]]


SHAPES: dict[str, Callable[[], list[list[Point]]]] = {
    "bars": lambda: [_box(-0.9, y, 0.9, y + 0.32) for y in (-0.9, -0.16, 0.58)],
    "cross": lambda: [
        _box(-0.28, -1, 0.28, 1),
        _box(-1, -0.28, -0.28, 0.28),
        _box(0.28, -0.28, 1, 0.28),
    ],
    "disc": lambda: [_arc()],
    "frame": lambda: [_box(-0.85, -0.85, 0.85, 0.85), _box(-0.5, -0.5, 0.5, 0.5)],
    "half": lambda: [_arc(1.0, 0.0, 1.0)],
    "pair": lambda: [_box(-0.95, -0.5, -0.2, 0.5), _box(0.2, -0.5, 0.95, 0.5)],
    "ring": lambda: [_arc(), _arc(0.58)],
    "square": lambda: [_box(-0.85, -0.85, 0.85, 0.85)],
    "star": _star,
    "triangle": lambda: [[(0.0, -1.0), (0.95, 0.8), (-0.95, 0.8)]],
}
