"""Pictures of a protection: clean, noise and protected side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unlearnable.data.recoding import picture_of

MIDDLE = 128
TIMES = 10  # how much the noise is amplified to be seen
TILE, GAP, HEADER = 128, 8, 34
WINDOW = 112  # pixels of an image that a report shows, at most, each way
SHADES = np.array(
    [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]]
)  # of the colour map viridis, from low to high
TITLES = ("clean", f"noise, {TIMES} times", "protected")


def triptych(clean: Sequence[NDArray[np.uint8]], protected: Sequence[NDArray[np.uint8]]) -> bytes:
    """A PNG with a row of tiles each for clean images, their noise 10 times, and protected images.

    Args:
        clean: uint8, (H, W, 1 or 3), one a column.
        protected: the same images with their noise.
    """
    rows = [list(clean), [amplified(c, p) for c, p in zip(clean, protected, strict=True)]]
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


def sheet(tiles: Sequence[NDArray[np.uint8]], titles: Sequence[str], across: int = 6) -> bytes:
    """A PNG with a title over each tile.

    Args:
        tiles: uint8, (H, W, 1 or 3).
        titles: as many.
        across: tiles to a row.
    """
    across = min(across, len(tiles))
    wide, high = TILE + GAP, HEADER + TILE
    out = Image.new("RGB", (GAP + across * wide, GAP + -(-len(tiles) // across) * high), "white")
    pen, font = ImageDraw.Draw(out), ImageFont.load_default(14)
    for place, (tile, title) in enumerate(zip(tiles, titles, strict=True)):
        left, top = GAP + place % across * wide, place // across * high
        pen.text((left, top + 12), title[:18], fill="black", font=font)
        out.paste(_tile(tile), (left, top + HEADER))
    buffer = io.BytesIO()
    out.save(buffer, "PNG")
    return buffer.getvalue()


def amplified(clean: NDArray[np.uint8], protected: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The change from the one to the other, `TIMES` times, about the middle grey."""
    change = protected.astype(np.int16) - clean
    return (MIDDLE + TIMES * change).clip(0, 255).astype(np.uint8)


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """uint8 (H, W, 1 or 3) as a PNG to stand in the `src` of an image, pixel for pixel."""
    buffer = io.BytesIO()
    image = picture_of(pixels)
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def window(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a large image; a small one as it is."""
    top, left = (max(0, (length - WINDOW) // 2) for length in pixels.shape[:2])
    return pixels[top : top + WINDOW, left : left + WINDOW]


def heat_picture(power: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values (H, W) as colours (H, W, 3), from the lowest to the highest of those that are finite.

    A long side is brought to `WINDOW` pixels by leaving rows and columns out.
    """
    step = -(-max(power.shape) // WINDOW)
    power = power[::step, ::step]
    low, high = finite_ends(power)
    share = np.nan_to_num((power - low) / max(high - low, 1e-9), neginf=0.0).clip(0, 1)
    places = np.linspace(0, 1, len(SHADES))
    channels = [np.interp(share, places, column) for column in SHADES.T]
    return np.stack(channels, axis=2).round().astype(np.uint8)


def finite_ends(values: NDArray[np.float32]) -> tuple[float, float]:
    """The lowest and highest that are finite; 0 and 0 if none is."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def _tile(pixels: NDArray[np.uint8]) -> Image.Image:
    image = picture_of(pixels).convert("RGB")
    image.thumbnail((TILE, TILE))
    scale = max(1, TILE // max(image.size))
    tile = Image.new("RGB", (TILE, TILE), "white")
    large = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    tile.paste(large, ((TILE - large.width) // 2, (TILE - large.height) // 2))
    return tile
