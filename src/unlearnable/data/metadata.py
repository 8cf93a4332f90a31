"""What a published file may tell of how a photo was taken.

A preview, a thumbnail, a depth or a gain map shows the photo without noise, so none is ever kept:
tags are kept by name, and none that can hold a picture has one. XMP, IPTC and comments are free in
form, may hold pictures and places, and are left out.
"""

from __future__ import annotations

import struct
from contextlib import suppress

from PIL import Image

# what Pillow raises for a file that is not what it claims to be
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, IndexError, KeyError)

EXIF, GPS = 0x8769, 0x8825
DESCRIPTIVE = frozenset(
    {
        0x010E,  # ImageDescription
        0x010F,  # Make
        0x0110,  # Model
        0x011A,  # XResolution
        0x011B,  # YResolution
        0x0128,  # ResolutionUnit
        0x0131,  # Software
        0x0132,  # DateTime
        0x013B,  # Artist
        0x8298,  # Copyright
    }
)
"""Of the main directory. Its others say how the file is laid out, or lead to pictures."""

NOT_TAKEN = frozenset(
    {
        0x927C,  # MakerNote: often a preview, and places
        0x9286,  # UserComment: free in form
        0xA002,  # PixelXDimension, as the photo lay
        0xA003,  # PixelYDimension
        0xA005,  # where the directory of interoperability is
    }
)
"""Of the directory of exposure."""

LONGEST = 2048  # bytes of one value; previews are longer
HEADER = 16  # bytes before the first entry of EXIF with one value
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"WEBPVP8", b"ftypavif", b"ftypheic")


def exif_of(image: Image.Image) -> Image.Exif | None:
    """What EXIF says of a photo, its place included, without pictures and orientation.

    None if it says nothing that can be read.
    """
    kept = Image.Exif()
    with suppress(*UNREADABLE):
        found = image.getexif()
        for tag in sorted(DESCRIPTIVE & set(found)):
            if _may_stay(tag, found[tag]):
                kept[tag] = found[tag]
        for directory in (EXIF, GPS):
            values = {
                tag: value
                for tag, value in found.get_ifd(directory).items()
                if tag not in NOT_TAKEN and _may_stay(tag, value)
            }
            if values:
                kept[directory] = values
    return kept if len(kept) else None


def exif_bytes(exif: Image.Exif | None, *, location: bool) -> bytes | None:
    """What is written into a file; without the place where the photo was taken, unless asked."""
    written = Image.Exif()
    for tag, value in (exif or {}).items():
        if location or tag != GPS:
            written[tag] = value
    return written.tobytes() if len(written) else None


def _may_stay(tag: int, value: object) -> bool:
    """Whether a value can be written again, and holds no picture."""
    alone = Image.Exif()
    alone[tag] = value
    try:
        raw = alone.tobytes()
    except (*UNREADABLE, AttributeError, OverflowError):
        return False
    return len(raw) <= LONGEST and not any(start in raw[HEADER:] for start in PICTURES)
