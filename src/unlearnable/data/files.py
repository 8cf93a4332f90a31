"""One image file, decoded and encoded faithfully."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from unlearnable.errors import SourceError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
MODES = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "P": "RGB", "PA": "RGBA"}
WITH_ALPHA = {"L": "LA", "RGB": "RGBA", "LA": "LA", "RGBA": "RGBA"}
UNSUPPORTED = frozenset({".heic", ".heif", ".avif", ".jp2", ".psd", ".svg", ".dng", ".cr2", ".nef"})
FIRST_IS_THE_PHOTO = frozenset({"MPO"})  # phones put depth maps and previews behind it
ORIENTATION, SIDEWAYS = 0x0112, 5  # the EXIF tag, and the first of its values that swap the sides
# What Pillow raises for a file that is not what it claims to be.
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, IndexError, KeyError)


@dataclass(frozen=True)
class Picture:
    """A decoded image: upright, with its colour profile.

    Attributes:
        pixels: uint8, (H, W, C): 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        icc: the ICC profile, if it had one.
    """

    pixels: NDArray[np.uint8]
    icc: bytes | None = None

    @property
    def grey(self) -> bool:
        """Whether it has no colour."""
        return self.pixels.shape[2] <= 2

    @property
    def colours(self) -> NDArray[np.uint8]:
        """The pixels without alpha: (H, W, 1) or (H, W, 3)."""
        return self.pixels[:, :, : 1 if self.grey else 3]

    def recoloured(self, colours: NDArray[np.uint8]) -> Picture:
        """The same picture with other colours, its alpha and profile kept."""
        alpha = self.pixels[:, :, colours.shape[2] :]
        return Picture(np.concatenate([colours, alpha], axis=2), self.icc)


def decode(source: Path | io.BytesIO) -> Picture:
    """Read one image: orientation applied, grey stays grey, alpha stays alpha, profile kept.

    Raises:
        SourceError: says why the file cannot be used: unreadable, truncated, empty, animated, or in
            a colour mode that 8-bit files would change silently (CMYK, 16 bit).
    """
    with _opened(source) as image:
        image.load()
        mode = MODES[image.mode]
        if image.has_transparency_data:
            mode = WITH_ALPHA[mode]
        icc = image.info.get("icc_profile")
        pixels = np.asarray(ImageOps.exif_transpose(image).convert(mode))
        return Picture(pixels.reshape(*pixels.shape[:2], -1), icc)


def probe(source: Path | io.BytesIO) -> tuple[int, int, bool]:
    """Upright height and width of an image, and whether it is grey; as a rule from its header.

    Raises:
        SourceError: as for `decode`, but for damage further into the file.
    """
    with _opened(source) as image:
        if image.format == "TIFF":
            image.load()  # Pillow turns a TIFF as it loads it, and states its turned size before
        width, height = image.size
        if image.getexif().get(ORIENTATION, 1) >= SIDEWAYS:
            width, height = height, width
        return height, width, MODES[image.mode] in ("L", "LA")


@contextmanager
def _opened(source: Path | io.BytesIO) -> Iterator[Image.Image]:
    """Open an image that can be kept faithfully; otherwise say why not."""
    if isinstance(source, Path) and source.suffix.lower() in UNSUPPORTED:
        raise SourceError(f"{source.suffix} files are not read: convert it to PNG or JPEG")
    try:
        with Image.open(source) as image:
            if getattr(image, "n_frames", 1) > 1 and image.format not in FIRST_IS_THE_PHOTO:
                raise SourceError("it has several frames or pages")
            if image.mode not in MODES:
                raise SourceError(f"its colour mode {image.mode} is not grey or RGB of 8 bits")
            yield image
    except Image.DecompressionBombError as error:
        raise SourceError("it has more than 178 megapixels, which Pillow does not open") from error
    except UNREADABLE as error:
        raise SourceError("it is not a readable image, or is truncated") from error


def encode_png(picture: Picture) -> bytes:
    """A PNG that holds the pixels exactly and the colour profile, and no other metadata."""
    pixels = picture.pixels
    flat = np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    Image.fromarray(flat).save(buffer, "PNG", icc_profile=picture.icc)
    return buffer.getvalue()


def at_working_size(
    picture: Picture, size: tuple[int, int] | None, channels: int
) -> NDArray[np.uint8]:
    """The colours as (H, W, channels) at a working size, the whole picture fitted to it."""
    colours = picture.colours
    if size is not None and colours.shape[:2] != size:
        flat = colours[:, :, 0] if picture.grey else colours
        height, width = size
        resized = Image.fromarray(np.ascontiguousarray(flat)).resize((width, height), BICUBIC)
        colours = np.asarray(resized).reshape(height, width, -1)
    return colours if colours.shape[2] == channels else np.repeat(colours, channels, axis=2)


BICUBIC = Image.Resampling.BICUBIC
