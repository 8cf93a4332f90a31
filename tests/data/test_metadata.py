import io

import pytest
from PIL import Image
from pillow_heif import register_heif_opener

from unlearnable.data.encoding import Writing
from unlearnable.data.files import decode
from unlearnable.data.metadata import EXIF, GPS, exif_bytes, exif_of

register_heif_opener()
PREVIEW = b"\xff\xd8\xff\xe0 a preview \xff\xd9"
TOLD = {0x010F: "A maker", 0x0110: "A camera", 0x013B: "An artist", 0x8298: "All rights"}
EXPOSED = {0x829A: 0.01, 0x9003: "2026:01:02 03:04:05", 0xA434: "A lens"}
PLACE = {1: "N", 2: (48.0, 8.0, 1.0)}


def taken(pixels, form="JPEG", more=None, **options):
    """A photo that tells a lot of itself."""
    exif = Image.Exif()
    for tag, value in {**TOLD, 0x0112: 6, **(more or {})}.items():
        exif[tag] = value
    exif.get_ifd(EXIF).update({**EXPOSED, 0x927C: b"maker's note", 0x9286: b"ASCII\0\0\0secret"})
    exif.get_ifd(GPS).update(PLACE)
    buffer = io.BytesIO()
    photo = Image.fromarray(pixels(16, 24, 3))
    photo.save(buffer, form, exif=exif.tobytes(), **options)
    return io.BytesIO(buffer.getvalue())


def read(content):
    with Image.open(io.BytesIO(content)) as image:
        exif = image.getexif()
        return {**exif, **exif.get_ifd(EXIF), "GPS": exif.get_ifd(GPS)}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("kept", ["png", "keep"])
def test_what_was_told_of_the_exposure_is_kept_and_the_place_is_not(pixels, form, kept):
    source, writing = taken(pixels, form), Writing(kept)
    picture = decode(source)
    written = writing.encoding(source).encode(picture, exif=writing.exif(picture))
    found = read(written)
    assert {tag: found[tag] for tag in TOLD} == TOLD
    assert {tag: pytest.approx(found[tag]) for tag in EXPOSED} == EXPOSED
    assert found.get(0x0112, 1) == 1, "it is upright already"
    assert not found["GPS"] and 0x927C not in found and b"secret" not in written


def test_the_place_is_kept_if_asked_and_nothing_at_all_if_asked(pixels):
    source = taken(pixels)
    picture = decode(source)
    located, bare = Writing("keep", location=True), Writing("keep", metadata=False)
    found = read(located.encoding(source).encode(picture, exif=located.exif(picture)))
    assert found["GPS"] == PLACE
    bytes_ = bare.encoding(source).encode(picture, exif=bare.exif(picture))
    assert read(bytes_) == {"GPS": {}} and b"Exif" not in bytes_


def test_a_value_that_holds_a_picture_is_left_out(pixels):
    exif = decode(taken(pixels, more={0x010E: "harmless", 0x0131: "x" * 3000})).exif
    assert exif[0x010E] == "harmless" and 0x0131 not in exif
    image = Image.open(taken(pixels))
    image.getexif()[0x013B] = PREVIEW
    assert 0x013B not in exif_of(image)


def test_comments_xmp_and_other_blocks_are_left_out(pixels):
    source = taken(pixels, comment=b"secret comment", xmp=b"<x>secret</x>", dpi=(300, 300))
    assert source.getvalue().count(b"secret") == 3
    for kept in ("png", "keep"):
        writing = Writing(kept, location=True)
        picture = decode(source)
        content = writing.encoding(source).encode(picture, exif=writing.exif(picture))
        assert b"secret" not in content


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_exif_that_cannot_be_read_is_left_out_and_the_photo_kept(pixels):
    photo = taken(pixels).getvalue()
    start = photo.index(b"Exif\0\0") + 6
    broken = photo[:start] + b"MM\0*\xff\xff\xff\xff" + photo[start + 8 :]
    picture = decode(io.BytesIO(broken))
    assert picture.exif is None and picture.pixels.shape == (16, 24, 3)


def test_a_photo_that_tells_nothing_gets_nothing(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels(8, 8, 3)).save(buffer, "JPEG")
    assert decode(buffer).exif is None and exif_bytes(None, location=True) is None
