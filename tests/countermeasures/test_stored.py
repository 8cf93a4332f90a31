"""BitDepth, Resize, Screenshot, WebP, the four blurs: what they do to stored images, and keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from unlearnable.countermeasures.bit_depth import BitDepth
from unlearnable.countermeasures.blur import BilateralBlur, GaussianBlur, MeanBlur, MedianBlur
from unlearnable.countermeasures.resize import Resize
from unlearnable.countermeasures.screenshot import Screenshot
from unlearnable.countermeasures.uniform import Uniform
from unlearnable.countermeasures.webp import WebP
from unlearnable.data.gather import from_arrays
from unlearnable.data.imageset import ImageSet
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run

RUN = Run.start("cpu", precision="float32")
SMOOTHING = [
    (GaussianBlur(), 0.02, 0.15),
    (MeanBlur(), 0.05, 0.15),
    (MedianBlur(), 0.15, 0.85),
    (BilateralBlur(), 0.02, 0.85),
    (Resize(), 0.03, 0.2),
    (Screenshot(), 0.35, 0.6),
]
"""Each with the most that it may leave of the high frequencies, of grain and of drawn shapes.

Median and bilateral filter keep the edges, which shapes are made of.
"""
each = pytest.mark.parametrize(("smoothing", "of_grain", "of_shapes"), SMOOTHING)


def pictures(images: NDArray[np.generic]) -> ImageSet:
    labels = np.arange(len(images), dtype=np.int64) % 2
    return from_arrays(images.astype(np.uint8), labels, ["a", "b"], source="pictures")


def grain(channels: int = 3, around: int = 128) -> ImageSet:
    """Forty pictures of random pixels within 16 levels of one."""
    rng = np.random.default_rng(0)
    return pictures(around + rng.integers(-16, 17, (40, 24, 32, channels)))


def after(countermeasure: Countermeasure, data: ImageSet) -> NDArray[np.uint8]:
    images = countermeasure.prepare(data, run=RUN).images
    assert images.shape == data.images.shape
    assert images.dtype == np.uint8
    return images


def high(images: NDArray[np.uint8]) -> float:
    """The energy in the upper half of the band, along either axis."""
    spectrum = np.abs(np.fft.fft2(images.astype(float), axes=(1, 2))) ** 2
    rows, columns = (np.abs(np.fft.fftfreq(side)) for side in images.shape[1:3])
    return float(spectrum[:, (rows[:, None] > 0.25) | (columns > 0.25)].sum())


@each
@pytest.mark.parametrize("channels", [1, 3])
def test_high_frequencies_go_and_the_mean_stays(
    smoothing: Countermeasure, of_grain: float, of_shapes: float, channels: int
) -> None:
    for data, most in ((grain(channels), of_grain), (shapes(20), of_shapes)):
        images = after(smoothing, data)
        assert high(images) < most * high(data.images)
        assert images.mean() == pytest.approx(data.images.mean(), abs=0.1)


def filtered(data: ImageSet, kind: ImageFilter.Filter) -> NDArray[np.uint8]:
    images = [np.asarray(Image.fromarray(image).filter(kind)) for image in data.images]
    return np.stack(images)[:, 2:-2, 2:-2]


@pytest.mark.parametrize("side", [3, 5])
def test_mean_and_median_are_those_of_pillow_inside_the_edge(side: int) -> None:
    data = shapes(20)
    mean = after(MeanBlur(side), data)[:, 2:-2, 2:-2].astype(int)
    assert np.abs(mean - filtered(data, ImageFilter.BoxBlur(side // 2))).max() <= 1
    median = after(MedianBlur(side), data)[:, 2:-2, 2:-2]
    assert np.array_equal(median, filtered(data, ImageFilter.MedianFilter(side)))


def test_a_gaussian_has_the_variance_of_its_sigma() -> None:
    images = np.zeros((2, 33, 33, 1))
    images[:, 12:21, 12:21] = 250
    line = after(GaussianBlur(1.5), pictures(images))[0, :, 16, 0].astype(float)
    variances = [
        (w * (np.arange(33) - 16) ** 2).sum() / w.sum() for w in (line, images[0, :, 16, 0])
    ]
    assert variances[0] - variances[1] == pytest.approx(1.5**2, rel=0.05)


def test_a_bilateral_filter_keeps_an_edge_that_a_gaussian_smears() -> None:
    images = np.zeros((2, 32, 32, 3))
    images[:, :, 16:] = 250
    kept, smeared = (after(blur, pictures(images)) for blur in (BilateralBlur(), GaussianBlur()))
    assert np.abs(kept - images).max() <= 1
    assert np.abs(smeared - images).max() > 50


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_bit_depth_is_pillow_s_posterize(bits: int) -> None:
    data = shapes(20)
    pillow = [ImageOps.posterize(Image.fromarray(image), bits) for image in data.images]
    images = after(BitDepth(bits), data)
    assert np.array_equal(images, np.stack([np.asarray(image) for image in pillow]))
    assert len(np.unique(images)) <= 2**bits


def test_two_bits_hide_most_of_a_noise_of_four_levels() -> None:
    plain, noisy = (after(BitDepth(), grain(around=around)) for around in (100, 104))
    assert (plain != noisy).mean() == 0


def test_a_resized_image_is_what_its_smaller_copy_holds() -> None:
    data = grain()
    small = Image.fromarray(data.images[0]).resize((16, 12), Image.Resampling.BICUBIC)
    back = np.asarray(small.resize((32, 24), Image.Resampling.BICUBIC))
    assert np.array_equal(after(Resize(), data)[0], back)


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (BitDepth, {"bits": 8}),
        (Resize, {"share": 1.0}),
        (GaussianBlur, {"sigma": 0.1}),
        (MeanBlur, {"side": 4}),
        (MedianBlur, {"side": 1}),
        (BilateralBlur, {"color": 0.0}),
    ],
)
def test_settings_that_would_change_nothing_or_cannot_be_are_refused(
    cls: type[Countermeasure], settings: dict[str, float]
) -> None:
    with pytest.raises(SettingError, match=next(iter(settings))):
        cls(**settings)


def test_uniform_noise_is_spread_over_its_size_and_one_seed_draws_it_once() -> None:
    grey = pictures(np.full((20, 16, 16, 3), 128))
    noisy = Uniform(8).prepare(grey, run=RUN).images
    change = noisy.astype(int) - 128
    assert abs(change).max() == 8 and abs(change.mean()) < 0.2
    assert change.std() == pytest.approx(16 / np.sqrt(12), rel=0.05)
    assert np.array_equal(noisy, Uniform(8).prepare(grey, run=RUN).images)
    assert not np.array_equal(noisy[0], noisy[1])


@pytest.mark.parametrize("channels", [1, 3])
def test_webp_is_as_pillow_writes_and_reads_it(channels: int, tmp_path: Path) -> None:
    data = grain(channels)
    plain = data.images[0].squeeze()
    Image.fromarray(plain).convert("RGB").save(tmp_path / "image.webp", quality=80)
    back = Image.open(tmp_path / "image.webp").convert("L" if channels == 1 else "RGB")
    assert np.array_equal(after(WebP(), data)[0].squeeze(), np.asarray(back))
    assert high(after(WebP(20), data)) < 0.5 * high(data.images)


def test_webp_takes_more_of_what_is_in_the_colour_alone() -> None:
    grey = np.full((40, 24, 32, 3), 128.0)
    pattern = np.random.default_rng(0).integers(-16, 17, (40, 24, 32, 1))
    kept = []
    for direction in ([1, 1, 1], [1, 0, -1]):
        noise = pattern * np.array(direction)
        change = after(WebP(), pictures(grey + noise)).astype(float) - after(WebP(), pictures(grey))
        kept.append((change * noise).sum() / (noise * noise).sum())
    assert kept[1] < 0.5 * kept[0]
