"""One image file, decoded faithfully or refused by name."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from unlearnable.data.metadata import UNREADABLE, exif_of
from unlearnable.errors import SourceError

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif"}
)
UNSUPPORTED = frozenset({".jp2", ".psd", ".svg", ".dng", ".cr2", ".nef"})
MODES = {"1": "L", "L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "P": "RGB", "PA": "RGBA"}
WITH_ALPHA = {"L": "LA", "RGB": "RGBA", "LA": "LA", "RGBA": "RGBA"}
FIRST_IS_THE_PHOTO = frozenset({"MPO"})  # phones put depth maps and previews behind it
ORIENTATION, SIDEWAYS = 0x0112, 5  # the EXIF tag, and the first of its values that swap the sides
BITS_PER_SAMPLE = 258  # a TIFF tag
HEAD = 1 << 16  # bytes in which an AVIF says what it is
BICUBIC = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class Picture:
    """A decoded image: upright, with its colour profile and what EXIF says of it.

    Attributes:
        pixels: uint8, (H, W, C): 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        icc: the ICC profile, if it had one.
        exif: how and where it was taken, if that is known; no preview is in it.
    """

    pixels: NDArray[np.uint8]
    icc: bytes | None = None
    exif: Image.Exif | None = None

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
        if colours.shape == self.pixels.shape:
            return replace(self, pixels=colours)
        alpha = self.pixels[:, :, colours.shape[2] :]
        return replace(self, pixels=np.concatenate([colours, alpha], axis=2))


def decode(source: Path | io.BytesIO) -> Picture:
    """Read one image: orientation applied, grey stays grey, alpha stays alpha, profile kept.

    Raises:
        SourceError: says why the file cannot be used: unreadable, truncated, empty, animated, or of
            colours that 8-bit files would change silently (CMYK, 16 bit).
    """
    with opened(source) as image:
        image.load()
        mode = MODES[image.mode]
        if image.has_transparency_data:
            mode = WITH_ALPHA[mode]
        icc, exif = image.info.get("icc_profile"), exif_of(image)
        ImageOps.exif_transpose(image, in_place=True)  # a large photo is not copied for nothing
        pixels = np.asarray(image if image.mode == mode else image.convert(mode))
        return Picture(pixels.reshape(*pixels.shape[:2], -1), icc, exif)


def probe(source: Path | io.BytesIO) -> tuple[int, int, bool]:
    """Upright height and width of an image, and whether it is grey; as a rule from its header.

    Raises:
        SourceError: as for `decode`, but for damage further into the file.
    """
    with opened(source) as image:
        if image.format == "TIFF":
            image.load()  # Pillow turns a TIFF as it loads it, and states its turned size before
        width, height = image.size
        if image.getexif().get(ORIENTATION, 1) >= SIDEWAYS:
            width, height = height, width
        return height, width, MODES[image.mode] in ("L", "LA")


@contextmanager
def opened(source: Path | io.BytesIO) -> Iterator[Image.Image]:
    """Open an image that can be kept faithfully; otherwise say why not."""
    suffix = source.suffix.lower() if isinstance(source, Path) else ""
    if suffix in UNSUPPORTED:
        raise SourceError(f"{suffix} files are not read: convert it to PNG or JPEG")
    if suffix in (".heic", ".heif"):
        _read_heif()
    try:
        with Image.open(source) as image:
            if getattr(image, "n_frames", 1) > 1 and image.format not in FIRST_IS_THE_PHOTO:
                raise SourceError("it has several frames or pages")
            if image.mode not in MODES:
                raise SourceError(f"its colour mode {image.mode} is not grey or RGB of 8 bits")
            bits = _bits(image)
            if bits > 8:
                raise SourceError(
                    f"its colours have {bits} bits, of which files of 8 would lose some"
                )
            yield image
    except Image.DecompressionBombError as error:
        raise SourceError("it has more than 178 megapixels, which Pillow does not open") from error
    except UNREADABLE as error:
        raise SourceError("it is not a readable image, or is truncated") from error


def _read_heif() -> None:
    """Teach Pillow HEIC, which it does not know of itself."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        advice = "pip install 'unlearnable[heif]', or convert it to PNG or JPEG"
        raise SourceError(f"HEIC files are not read here: {advice}") from error
    register_heif_opener(thumbnails=False)


def _bits(image: Image.Image) -> int:
    """Bits of a colour in the file: of some formats Pillow drops what is over 8."""
    assert isinstance(image, ImageFile.ImageFile) and image.fp
    if image.format == "PNG":
        return 16 if any(";16B" in str(tile[3]) for tile in image.tile) else 8
    if isinstance(image, TiffImageFile):
        return int(max(image.tag_v2.get(BITS_PER_SAMPLE, (8,))))
    if image.format == "AVIF":
        image.fp.seek(0)
        box = image.fp.read(HEAD).partition(b"av1C")[2]
        return 8 if len(box) < 3 or not box[2] & 0x40 else 12 if box[2] & 0x20 else 10
    return int(image.info.get("bit_depth", 8))


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
