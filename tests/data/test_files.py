import io
import struct
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from unlearnable.data.encoding import PNG
from unlearnable.data.files import Picture, at_working_size, decode, probe
from unlearnable.errors import SourceError

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return io.BytesIO(buffer.getvalue())


def palette(transparency=None):
    image = Image.new("P", (9, 10))
    image.putpalette([200, 10, 20, 30, 210, 40, 50, 60, 220])
    image.putdata([i % 3 for i in range(90)])
    return encoded(image, **({} if transparency is None else {"transparency": transparency}))


def chunks(png):
    place, names = 8, []
    while place < len(png):
        names.append(png[place + 4 : place + 8].decode())
        place += 12 + int.from_bytes(png[place : place + 4], "big")
    return names


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_eight_bit_modes_are_read_as_they_are(pixels, mode, channels):
    original = pixels(9, 10, channels)
    file = encoded(Image.fromarray(original.squeeze()))
    assert Image.open(file).mode == mode
    assert np.array_equal(decode(file).pixels, original)
    assert probe(file) == (9, 10, channels <= 2)


def test_a_bilevel_image_is_read_as_grey(pixels):
    original = pixels(9, 10) > 127
    picture = decode(encoded(Image.fromarray(original)))
    assert np.array_equal(picture.pixels[:, :, 0], original * np.uint8(255))


def test_a_palette_is_resolved_to_colours():
    picture = decode(palette())
    assert picture.pixels.shape == (10, 9, 3)
    assert picture.pixels[0, :3].tolist() == [[200, 10, 20], [30, 210, 40], [50, 60, 220]]


def test_a_palette_with_a_transparent_entry_gets_alpha():
    picture = decode(palette(transparency=1))
    assert picture.pixels[0, :3].tolist() == [
        [200, 10, 20, 255],
        [30, 210, 40, 0],
        [50, 60, 220, 255],
    ]


@pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (7, 7, 7))])
def test_one_transparent_colour_becomes_alpha(mode, key):
    image = Image.new(mode, (8, 8), 0)
    image.putpixel((2, 1), key)
    alpha = decode(encoded(image, transparency=key)).pixels[:, :, -1]
    assert alpha[1, 2] == 0 and (alpha == 255).sum() == 63


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(pixels, form, orientation):
    image, exif = Image.fromarray(pixels(8, 12, 3)), Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    lying = decode(encoded(image, form, **options)).pixels
    turned = encoded(image, form, exif=exif, **options)
    expected = UPRIGHT[orientation](lying)
    assert np.array_equal(decode(turned).pixels, expected)
    assert probe(turned)[:2] == expected.shape[:2]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_colour_profile_is_kept(pixels, form):
    picture = decode(encoded(Image.fromarray(pixels(8, 8, 3)), form, icc_profile=PROFILE))
    assert picture.icc == PROFILE
    written = PNG.encode(picture.recoloured(255 - picture.colours))
    assert Image.open(io.BytesIO(written)).info["icc_profile"] == PROFILE
    assert set(chunks(written)) == {"IHDR", "iCCP", "IDAT", "IEND"}


@given(
    st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 2, 3, 4]), st.integers(0, 2**32 - 1)
)
def test_a_png_holds_the_pixels_exactly(height, width, channels, seed):
    rng = np.random.default_rng(seed)
    original = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
    assert np.array_equal(decode(io.BytesIO(PNG.encode(Picture(original)))).pixels, original)


def test_other_colours_leave_alpha_as_it_was(pixels):
    original = Picture(pixels(8, 8, 4), PROFILE)
    other = original.recoloured(255 - original.colours)
    assert np.array_equal(other.pixels[:, :, :3], 255 - original.pixels[:, :, :3])
    assert np.array_equal(other.pixels[:, :, 3], original.pixels[:, :, 3])
    assert other.icc == PROFILE


def a_jpeg_of_noise(pixels):
    return encoded(Image.fromarray(pixels(32, 32, 3)), "JPEG").getvalue()


def a_png_that_claims_to_be(side):
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\1IDAT\0")


def frames(pixels):
    return [Image.fromarray(pixels(8, 8, 3, seed=seed)) for seed in range(3)]


REFUSED = {
    "CMYK": (lambda p: encoded(Image.fromarray(p(8, 8, 4), "CMYK"), "JPEG"), "mode CMYK"),
    "16 bit": (lambda p: encoded(Image.fromarray(p(8, 8).astype(np.uint16) * 257)), "mode I;16"),
    "float": (lambda p: encoded(Image.fromarray(p(8, 8).astype(np.float32)), "TIFF"), "mode F"),
    "animation": (
        lambda p: encoded(frames(p)[0], "GIF", save_all=True, append_images=frames(p)[1:]),
        "several frames",
    ),
    "pages": (
        lambda p: encoded(frames(p)[0], "TIFF", save_all=True, append_images=frames(p)[1:]),
        "several frames or pages",
    ),
    "truncated": (lambda p: io.BytesIO(a_jpeg_of_noise(p)[:-400]), "truncated"),
    "empty": (lambda p: io.BytesIO(), "not a readable image"),
    "text": (lambda p: io.BytesIO(b"no picture at all\n" * 9), "not a readable image"),
    "bomb": (lambda p: a_png_that_claims_to_be(40000), "more than 178 megapixels"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_kept_faithfully_is_refused_with_a_reason(pixels, kind):
    make, reason = REFUSED[kind]
    with pytest.raises(SourceError, match=reason):
        decode(make(pixels))


def test_a_format_that_is_not_read_is_named_with_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "a.NEF").write_bytes(b"whatever")
    with pytest.raises(SourceError, match=r"\.nef files are not read: convert it to PNG or JPEG"):
        decode(tmp_path / "a.NEF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it was not installed
    (tmp_path / "a.HEIC").write_bytes(b"whatever")
    with pytest.raises(SourceError, match=r"pip install 'unlearnable\[heif\]'"):
        decode(tmp_path / "a.HEIC")


def test_a_png_cut_anywhere_is_never_read_in_part(pixels):
    original, refused = pixels(14, 15, 3), 0
    whole = PNG.encode(Picture(original))
    for kept in range(len(whole)):
        try:
            assert np.array_equal(decode(io.BytesIO(whole[:kept])).pixels, original)
        except SourceError as error:
            assert "truncated" in str(error)
            refused += 1
    assert len(whole) - 24 < refused < len(whole)  # behind the pixels stand checksums and an end


def test_the_working_size_fits_the_whole_picture(pixels):
    halves = np.zeros((20, 40, 3), np.uint8)
    halves[:, 20:] = 255
    fitted = at_working_size(Picture(halves), (24, 16), 3)
    assert fitted.shape == (24, 16, 3)
    assert fitted[:, :7].max() < 10 and fitted[:, 9:].min() > 245


def test_without_a_working_size_a_picture_keeps_its_own(pixels):
    grey = pixels(9, 11, 1)
    assert np.array_equal(at_working_size(Picture(grey), None, 1), grey)
    assert np.array_equal(at_working_size(Picture(grey), (9, 11), 3), np.repeat(grey, 3, axis=2))


def test_of_a_phone_photo_with_a_depth_map_the_photo_is_taken(pixels):
    photo, depth = (Image.fromarray(pixels(16, 24, 3, seed=seed)) for seed in range(2))
    file = encoded(photo, "MPO", save_all=True, append_images=[depth], quality=100, subsampling=0)
    assert probe(file) == (16, 24, False)
    file.seek(0)
    change = decode(file).pixels.astype(int) - np.asarray(photo)
    assert np.abs(change).mean() < 2
