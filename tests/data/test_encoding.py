"""A corpus of odd files: each is kept right or refused by name, and none is changed silently."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from unlearnable.data.encoding import Writing, is_lossless
from unlearnable.data.files import decode
from unlearnable.data.folder import Publisher
from unlearnable.data.imageset import Origin
from unlearnable.errors import SettingError, SourceError
from unlearnable.noise import Budget, seal

pillow_heif.register_heif_opener()
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SIZE = (40, 56)
SUFFIX = {
    "JPEG": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tif", "BMP": "bmp", "GIF": "gif",
    "AVIF": "avif", "HEIF": "heic", "MPO": "jpg",
}  # fmt: skip
LOSSY = ("jpg", "avif", "heic")
STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"ftypavif", b"ftypheic", b"II*\0")


def smooth(channels, seed=0):
    """A photo's likeness: soft, and nowhere near black or white."""
    rng = np.random.default_rng(seed)
    few = rng.integers(40, 216, (6, 8, channels), dtype=np.uint8)
    planes = [Image.fromarray(few[:, :, c]).resize(SIZE[::-1], 3) for c in range(channels)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def image(mode):
    if mode in ("P", "PA", "1", "CMYK", "YCbCr", "I;16", "F", "LAB", "HSV"):
        base = Image.fromarray(smooth(3))
        if mode == "I;16":
            return Image.fromarray(smooth(1)[:, :, 0].astype(np.uint16) * 257)
        if mode == "PA":
            return Image.fromarray(smooth(4)).quantize(64)
        return base.convert("P", palette=1) if mode == "P" else base.convert(mode)
    return Image.fromarray(smooth(len(mode)).squeeze())


def saved(form, mode="RGB", **options):
    buffer = io.BytesIO()
    image(mode).save(buffer, form, **options)
    return buffer.getvalue()


def of_16_bits(colour, channels):
    """A PNG of 16 bits, which Pillow reads as 8 without a word."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 16, 16, 16, colour, 0, 0, 0)
    rows = zlib.compress(bytes(16 * (1 + 16 * channels * 2)))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def heif_of_10_bits():
    deep = pillow_heif.from_bytes(
        mode="RGB;16", size=(16, 16), data=np.zeros((16, 16, 3), np.uint16).tobytes()
    )
    buffer = io.BytesIO()
    deep.save(buffer, bit_depth=10)
    return buffer.getvalue()


def located(form, **options):
    exif = Image.Exif()
    exif[0x013B] = "An artist"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 1.0)})
    return saved(form, exif=exif.tobytes(), **options)


def turned(form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(form, exif=exif.tobytes())


def several(form):
    frames = [image("RGB").rotate(angle) for angle in (0, 90, 180)]
    buffer = io.BytesIO()
    frames[0].save(buffer, form, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def with_thumbnail(content):
    """A JPEG with the application block that old cameras put a thumbnail into."""
    block = b"JFXX\0\x10" + saved("JPEG")
    return content[:2] + b"\xff\xe0" + struct.pack(">H", len(block) + 2) + block + content[2:]


# what each is, and whether it may be kept: "both", "png" alone, or the reason why it is refused
CORPUS = {
    **{f"{form} {mode}": (form, lambda form=form, mode=mode: saved(form, mode), "both")
       for form, modes in {
           "JPEG": ["RGB", "L"],
           "PNG": ["RGB", "L", "LA", "RGBA", "P", "PA", "1"],
           "WEBP": ["RGB", "L", "RGBA"],
           "TIFF": ["RGB", "L", "LA", "RGBA", "P", "1"],
           "BMP": ["RGB", "L", "P", "1", "RGBA"],
           "AVIF": ["RGB", "L", "RGBA"],
           "HEIF": ["RGB", "L", "RGBA"],
       }.items() for mode in modes},
    **{f"GIF {mode}": ("GIF", lambda mode=mode: saved("GIF", mode), "png")
       for mode in ("P", "L", "1")},
    **{f"{form} turned {n}": (form, lambda form=form, n=n: turned(form, n), "both")
       for form in ("JPEG", "TIFF", "WEBP") for n in range(2, 9)},
    **{f"{form} with a place": (form, lambda form=form: located(form), "both")
       for form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")},
    **{f"{form} with a profile": (form, lambda form=form: saved(form, icc_profile=PROFILE), "both")
       for form in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")},
    **{f"TIFF {how}": ("TIFF", lambda how=how: saved("TIFF", compression=how), "both")
       for how in ("tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg")},
    "JPEG progressive": ("JPEG", lambda: saved("JPEG", progressive=True), "both"),
    "JPEG of few colours": ("JPEG", lambda: saved("JPEG", subsampling="4:2:0", quality=30), "both"),
    "JPEG with a thumbnail": ("JPEG", lambda: with_thumbnail(saved("JPEG")), "both"),
    "WEBP exact": ("WEBP", lambda: saved("WEBP", lossless=True), "both"),
    "MPO": ("MPO", lambda: several("MPO"), "both"),
    "PNG with a chunk of text": ("PNG", lambda: saved("PNG", dpi=(300, 300)), "both"),
    "GIF animated": ("GIF", lambda: several("GIF"), "several frames"),
    "PNG animated": ("PNG", lambda: several("PNG"), "several frames"),
    "WEBP animated": ("WEBP", lambda: several("WEBP"), "several frames"),
    "AVIF animated": ("AVIF", lambda: several("AVIF"), "several frames"),
    "TIFF pages": ("TIFF", lambda: several("TIFF"), "several frames"),
    "JPEG CMYK": ("JPEG", lambda: saved("JPEG", "CMYK"), "mode CMYK"),
    "TIFF CMYK": ("TIFF", lambda: saved("TIFF", "CMYK"), "mode CMYK"),
    "TIFF LAB": ("TIFF", lambda: saved("TIFF", "LAB"), "mode LAB"),
    "TIFF float": ("TIFF", lambda: saved("TIFF", "F"), "mode F"),
    "PNG 16 bit grey": ("PNG", lambda: saved("PNG", "I;16"), "mode I;16"),
    "PNG 16 bit": ("PNG", lambda: of_16_bits(2, 3), "16 bits"),
    "PNG 16 bit with alpha": ("PNG", lambda: of_16_bits(6, 4), "16 bits"),
    "HEIF 10 bit": ("HEIF", heif_of_10_bits, "10 bits"),
    "JPEG truncated": ("JPEG", lambda: saved("JPEG", quality=95)[:-300], "truncated"),
    "PNG truncated": ("PNG", lambda: saved("PNG")[:-300], "truncated"),
    "WEBP truncated": ("WEBP", lambda: saved("WEBP")[:-100], "truncated"),
    "HEIF truncated": ("HEIF", lambda: saved("HEIF")[:-100], "truncated"),
    "empty": ("JPEG", lambda: b"", "not a readable image"),
    "text": ("PNG", lambda: b"no picture " * 40, "not a readable image"),
}  # fmt: skip


def published(content, form, tmp_path, kept):
    """What a file becomes with noise of 8 levels, its record, and its decoded source."""
    source = tmp_path / f"odd.{SUFFIX[form]}"
    source.write_bytes(content)
    clean = Origin("odd", source).picture()
    shape = (1, clean.colours.shape[2], *clean.pixels.shape[:2])
    levels = np.random.default_rng(3).choice([-8.0, 8.0], shape)
    noise = seal(np.kron(levels[:, :, ::4, ::4], np.ones((4, 4)))[:, :, : shape[2], : shape[3]],
                 form="class-wise", budget=Budget())  # fmt: skip
    protected = clean.recoloured(noise.add_to(clean.colours, 0))
    publisher = Publisher(tmp_path / "out", tmp_path, Budget(), Writing(kept))
    written = publisher.publish(clean, protected, Origin("odd", source))
    assert source.read_bytes() == content, "the source is never written to"
    return tmp_path / "out" / written.name, written, clean, protected


def test_the_corpus_is_large():
    assert len(CORPUS) >= 60


@pytest.mark.parametrize("kept", ["png", "keep"])
@pytest.mark.parametrize("kind", CORPUS)
def test_an_odd_file_is_kept_right_or_refused_by_name(kind, kept, tmp_path):
    form, make, expected = CORPUS[kind]
    if expected not in ("both", kept):
        reason = r"256 colours.*--format png" if expected == "png" else expected
        with pytest.raises(SourceError, match=reason):
            published(make(), form, tmp_path, kept)
        assert not list(tmp_path.rglob("odd.*"))[1:], "nothing was written"
        return
    content = make()
    path, written, clean, protected = published(content, form, tmp_path, kept)
    found = decode(path)
    assert path.suffix == (f".{SUFFIX[form]}" if kept == "keep" else ".png")
    assert found.pixels.shape == clean.pixels.shape and found.icc == clean.icc
    if written.lossless:
        assert np.array_equal(found.pixels, protected.pixels) and written.change <= 8
        assert written.survived == 1
    else:
        assert kept == "keep" and not is_lossless(path)
        assert 0.5 < written.survived < 1.2, "most of such coarse noise is left"
        assert np.abs(found.pixels.astype(int) - protected.pixels).mean() < 8
    assert_tells_nothing(path)


def assert_tells_nothing(path: Path):
    """No second picture, no place, no orientation that is not applied."""
    content = path.read_bytes()
    assert sum(content.count(start) for start in STARTS) <= 1
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 1
        assert not image.getexif().get_ifd(0x8825) and image.getexif().get(0x0112, 1) == 1
        assert not image.info.get("thumbnails") and not image.info.get("xmp")


def test_a_jpeg_keeps_its_tables_and_gets_whole_colours(tmp_path):
    for number, options in enumerate(({"quality": 60}, {"quality": 85, "progressive": True})):
        content = saved("JPEG", **options)
        (tmp_path / str(number)).mkdir()
        path, *_ = published(content, "JPEG", tmp_path / str(number), "keep")
        with Image.open(io.BytesIO(content)) as before, Image.open(path) as after:
            assert after.quantization == before.quantization
            assert after.layer[0][1:3] == after.layer[1][1:3] == (1, 1), "not subsampled"
            assert ("progressive" in after.info) == ("progressive" in options)


def test_a_finer_quality_is_taken_and_a_coarser_is_not():
    def tables(content, quality):
        encoding = Writing("keep", quality).encoding(io.BytesIO(content))
        return encoding.options["qtables"]

    def plain(quality):
        with Image.open(io.BytesIO(saved("JPEG", quality=quality))) as image:
            return image.quantization

    assert tables(saved("JPEG", quality=60), 95) == plain(95)
    assert tables(saved("JPEG", quality=95), 60) == plain(95)


def test_an_array_becomes_a_png_whatever_is_asked():
    assert Writing("keep").encoding(None).suffix == ".png"


def test_a_file_that_keeps_its_format_keeps_the_spelling_of_its_name(tmp_path):
    (tmp_path / "A.JPeG").write_bytes(saved("JPEG"))
    assert Writing("keep").encoding(tmp_path / "A.JPeG").suffix == ".JPeG"


def test_large_pictures_are_compared_by_squares_and_encoded_alike(tmp_path):
    large = Image.fromarray(smooth(3)).resize((1600, 1200), 3)
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=80)
    _, written, clean, protected = published(buffer.getvalue(), "JPEG", tmp_path, "keep")
    encoding = Writing("keep").encoding(tmp_path / "odd.jpg")
    change = protected.colours.astype(float) - clean.colours
    noisy, plain = (decode(io.BytesIO(encoding.encode(p))).colours for p in (protected, clean))
    whole = np.sum((noisy.astype(float) - plain) * change) / np.sum(change * change)
    assert written.survived == pytest.approx(whole, abs=0.02)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"format": "jpeg"}, "unknown format 'jpeg': choose one of png, keep"),
        ({"format": "keep", "quality": 0}, "--quality 0: it goes from 1 to 100"),
        ({"quality": 90}, "give --format keep"),
        ({"metadata": False, "location": True}, "--strip-metadata leaves no location"),
    ],
)
def test_writing_that_cannot_be_is_refused(settings, said):
    with pytest.raises(SettingError, match=said):
        Writing(**settings)
