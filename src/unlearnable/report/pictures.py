"""Pictures of a protection: clean, noise and protected side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

MIDDLE = 128
TIMES = 10  # how much the noise is amplified to be seen
TILE, GAP, HEADER = 128, 8, 34
TITLES = ("clean", f"noise, {TIMES} times", "protected")


def triptych(clean: Sequence[NDArray[np.uint8]], protected: Sequence[NDArray[np.uint8]]) -> bytes:
    """A PNG with a row of tiles each for clean images, their noise 10 times, and protected images.

    Args:
        clean: uint8, (H, W, 1 or 3), one a column.
        protected: the same images with their noise.
    """
    rows = [list(clean), [_visible(c, p) for c, p in zip(clean, protected, strict=True)]]
    rows.append(list(protected))
    width = GAP + len(clean) * (TILE + GAP)
    sheet = Image.new("RGB", (width, 3 * (HEADER + TILE)), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(18)
    for place, (title, tiles) in enumerate(zip(TITLES, rows, strict=True)):
        top = place * (HEADER + TILE)
        pen.text((GAP, top + 8), title, fill="black", font=font)
        for column, tile in enumerate(tiles):
            sheet.paste(_tile(tile), (GAP + column * (TILE + GAP), top + HEADER))
    out = Image.new("RGB", (width, sheet.height + GAP), "white")
    out.paste(sheet, (0, 0))
    buffer = io.BytesIO()
    out.save(buffer, "PNG")
    return buffer.getvalue()


def _visible(clean: NDArray[np.uint8], protected: NDArray[np.uint8]) -> NDArray[np.uint8]:
    change = protected.astype(np.int16) - clean
    return (MIDDLE + TIMES * change).clip(0, 255).astype(np.uint8)


def _tile(pixels: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    image.thumbnail((TILE, TILE))
    scale = max(1, TILE // max(image.size))
    tile = Image.new("RGB", (TILE, TILE), "white")
    large = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    tile.paste(large, ((TILE - large.width) // 2, (TILE - large.height) // 2))
    return tile
