"""How a picture becomes a file: exactly, or in the format of its source."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from unlearnable.data.files import Picture, opened
from unlearnable.data.metadata import exif_bytes
from unlearnable.data.recoding import picture_of
from unlearnable.errors import SettingError, SourceError, unknown

FORMATS = ("png", "keep")
LARGEST_STEP = 255  # of a quantisation table that every reader of JPEG takes
USUAL_QUALITY = 90  # of lossy formats that do not say which quality they were written with
RIFF_HEADER = 12  # bytes before the first chunk of a WebP
TIFF_LOSSLESS = frozenset({"raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate"})


WHOLE_COLOUR: dict[str, dict[str, Any]] = {
    "JPEG": {"subsampling": "4:4:4"},
    "AVIF": {"subsampling": "4:4:4"},
    "HEIF": {"chroma": 444},
}
"""As many pixels for colour as for light: half of them would wipe out much of the noise."""

SUFFIX = {
    "JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp",
    "AVIF": ".avif", "HEIF": ".heic",
}  # fmt: skip


@dataclass(frozen=True)
class Encoding:
    """A format with the settings of its encoder.

    Attributes:
        suffix: of the file's name.
        format: Pillow's name of it.
        lossless: whether the pixels come back exactly.
        options: of Pillow's encoder.
    """

    suffix: str = ".png"
    format: str = "PNG"
    lossless: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, picture: Picture, *, exif: bytes | None = None) -> bytes:
        """A file that holds the picture, its colour profile and the EXIF given; nothing else."""
        buffer = io.BytesIO()
        about = {"icc_profile": picture.icc, "exif": exif}
        told = {key: value for key, value in about.items() if value}
        picture_of(picture.pixels).save(buffer, self.format, **told, **self.options)
        return buffer.getvalue()


PNG = Encoding()


@dataclass(frozen=True)
class Writing:
    """How files are to be written.

    Attributes:
        format: "png", or "keep" for each source's own format and name.
        quality: of lossy files, 1 to 100; a JPEG is never coarser than its source. None: a JPEG
            as its source, other lossy formats 90.
        metadata: whether EXIF is kept; the colour profile always is, previews never are.
        location: whether the place where a photo was taken is kept.

    Raises:
        SettingError: an unknown format, or a quality that there is not.
    """

    format: str = "png"
    quality: int | None = None
    metadata: bool = True
    location: bool = False

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise unknown("format", self.format, FORMATS)
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise SettingError(f"--quality {self.quality}: it goes from 1 to 100, as in 95.")
        if self.quality is not None and self.format == "png":
            raise SettingError("--quality is about lossy files: give --format keep with it.")
        if self.location and not self.metadata:
            raise SettingError("--strip-metadata leaves no location to keep: give one of the two.")

    def encoding(self, source: Path | io.BytesIO | None) -> Encoding:
        """The encoding of what is made of a source; of an array, a PNG.

        Raises:
            SourceError: the source's own format cannot hold the noise.
        """
        if self.format == "png" or source is None:
            return PNG
        with opened(source) as image:
            suffix = source.suffix if isinstance(source, Path) else SUFFIX.get(str(image.format))
            found = _own(image, self.quality)
        return Encoding(suffix or ".png", *found)

    def exif(self, picture: Picture) -> bytes | None:
        """The EXIF that is written beside a picture."""
        return exif_bytes(picture.exif, location=self.location) if self.metadata else None


def is_lossless(source: Path | io.BytesIO) -> bool:
    """Whether a file holds the pixels that it was written from exactly."""
    with opened(source) as image:
        if image.format == "TIFF":
            return image.info.get("compression", "raw") in TIFF_LOSSLESS
        return image.format in ("PNG", "BMP", "GIF") or (
            image.format == "WEBP" and _lossless_webp(image)
        )


AS_PNG = Writing()


def _own(image: Image.Image, quality: int | None) -> tuple[str, bool, dict[str, Any]]:
    """The format of an image, whether it is lossless, and how its encoder is to be set."""
    kind = str(image.format)
    lossy = quality or USUAL_QUALITY
    if isinstance(image, JpegImageFile):
        return "JPEG", False, {**_as_fine(image, quality), **WHOLE_COLOUR["JPEG"]}
    if kind == "WEBP":
        exactly = _lossless_webp(image)
        how = {"lossless": True} if exactly else {"quality": lossy}
        return kind, exactly, {**how, "exact": True}
    if kind == "TIFF":
        compression = str(image.info.get("compression", "raw"))
        kept = compression if compression in TIFF_LOSSLESS else "tiff_adobe_deflate"
        return kind, True, {"compression": kept}
    if kind in ("AVIF", "HEIF"):
        whole = {} if image.mode in ("L", "LA") else WHOLE_COLOUR[kind]
        return kind, False, {"quality": lossy, **whole}
    if kind in ("PNG", "BMP"):
        return kind, True, {}
    reason = "has at most 256 colours" if kind == "GIF" else "is not written here"
    raise SourceError(f"its format {kind} {reason}, so it cannot be kept: give --format png")


def _as_fine(image: JpegImageFile, quality: int | None) -> dict[str, Any]:
    """The quantisation tables of a JPEG or, step by step, those of a quality where it is finer."""
    tables = {
        key: [min(step, LARGEST_STEP) for step in own] for key, own in image.quantization.items()
    }
    if quality is not None:
        for key, own in tables.items():
            tables[key] = [
                min(pair) for pair in zip(own, _tables(quality)[min(key, 1)], strict=True)
            ]
    return {"qtables": tables, "progressive": "progressive" in image.info}


@cache
def _tables(quality: int) -> dict[int, list[int]]:
    """The usual quantisation tables of a quality: of light, and of colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        assert isinstance(image, JpegImageFile)
        return image.quantization


def _lossless_webp(image: Image.Image) -> bool:
    """Whether the pixels of a WebP are in a lossless chunk."""
    assert isinstance(image, ImageFile.ImageFile) and image.fp
    image.fp.seek(RIFF_HEADER)
    while len(head := image.fp.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name in (b"VP8L", b"VP8 "):
            return bool(name == b"VP8L")
        image.fp.seek(size + size % 2, io.SEEK_CUR)
    return False
