"""A contact sheet: photos beside their protected copies, for the owner's eye before publishing."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unlearnable.data.files import Picture
from unlearnable.data.recoding import picture_of
from unlearnable.report.pictures import data_uri
from unlearnable.report.template import template
from unlearnable.storage import write_bytes

SHOWN = 12
ZOOM = 80  # pixels of a side around the largest change
FINE = 500  # rows of a photo that are looked at for it
SIDE, GAP, LINE = 3 * ZOOM, 12, 26
COLUMNS = ("before", "after", "before, enlarged", "after, enlarged")


@dataclass(frozen=True, eq=False)
class Pair:
    """A photo, and what was published of it.

    Attributes:
        clean, protected: uint8, (H, W, 1 or 3), of one size.
    """

    clean: NDArray[np.uint8]
    protected: NDArray[np.uint8]

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the square that was changed most, of those side by side."""
        sides = [min(ZOOM, length) for length in self.clean.shape[:2]]
        step = max(1, self.clean.shape[0] // FINE)  # of a large photo every so many pixels will do
        change = np.abs(
            self.protected[::step, ::step].astype(np.int16) - self.clean[::step, ::step]
        )
        down, across = (
            length // side for length, side in zip(self.clean.shape, sides, strict=False)
        )
        rows, columns = (
            np.arange(n) * step // side for n, side in zip(change.shape, sides, strict=False)
        )
        energy = np.zeros((rows[-1] + 1, columns[-1] + 1))
        np.add.at(energy, (rows[:, None], columns[None]), change.sum(2))
        top, left = np.unravel_index(int(energy[:down, :across].argmax()), (down, across))
        return (
            slice(int(top) * sides[0], int(top + 1) * sides[0]),
            slice(int(left) * sides[1], int(left + 1) * sides[1]),
        )

    def views(self) -> list[Image.Image]:
        """Both as a whole, and the square that was changed most, pixels enlarged."""
        both, near = (self.clean, self.protected), self.place
        return [*map(_fitted, both), *(_fitted(pixels[near]) for pixels in both)]


class ContactSheet:
    """Photos before and after, of many those that lie evenly among all."""

    def __init__(self, names: Sequence[str]) -> None:
        places = np.linspace(0, len(names) - 1, min(len(names), SHOWN)).astype(int)
        self.count = len(names)
        self.views: dict[str, list[Image.Image] | None] = {names[p]: None for p in places}

    def look(self, name: str, clean: Picture, published: Picture) -> None:
        """Remember a photo, if it is one of those that are shown."""
        if name in self.views:
            self.views[name] = Pair(clean.colours, published.colours).views()

    def write(self, private: Path) -> None:
        """Write `contact.png` and `contact.html` to a private folder: they show originals."""
        rows = [(name, views) for name, views in self.views.items() if views]
        write_bytes(private / "contact.png", _sheet(rows), private=True)
        page = template("contact.html").render(
            columns=COLUMNS,
            count=self.count,
            rows=[(name, [data_uri(np.asarray(view)) for view in views]) for name, views in rows],
        )
        write_bytes(private / "contact.html", page.encode(), private=True)


def _sheet(rows: Sequence[tuple[str, list[Image.Image]]]) -> bytes:
    """A PNG with a row for each photo."""
    wide, high = SIDE + GAP, SIDE + LINE + GAP
    sheet = Image.new("RGB", (GAP + len(COLUMNS) * wide, LINE + GAP + len(rows) * high), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for column, title in enumerate(COLUMNS):
        pen.text((GAP + column * wide, GAP), title, fill="black", font=font)
    for row, (name, views) in enumerate(rows):
        top = LINE + GAP + row * high
        pen.text((GAP, top), name, fill="grey", font=font)
        for column, view in enumerate(views):
            sheet.paste(view, (GAP + column * wide, top + LINE))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _fitted(pixels: NDArray[np.uint8]) -> Image.Image:
    """Made smaller to fit a tile, or each pixel as many times larger as it has room."""
    image = picture_of(pixels)
    times = SIDE // max(image.size)
    if times:
        size = (image.width * times, image.height * times)
        return image.convert("RGB").resize(size, Image.Resampling.NEAREST)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image.convert("RGB")  # now that it is small: this copies
