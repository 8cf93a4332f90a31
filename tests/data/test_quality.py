import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from unlearnable.data.quality import psnr, ssim


def pair(shape, change, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 256, shape)
    a = (a + np.roll(a, 1, 0) + np.roll(a, 1, 1)) // 3
    b = (a + rng.integers(-change, change + 1, shape)).clip(0, 255)
    return a.astype(np.uint8), b.astype(np.uint8)


@pytest.mark.parametrize("shape", [(7, 7, 3), (8, 13, 1), (32, 20, 3), (33, 33, 4), (16, 9)])
@pytest.mark.parametrize("change", [1, 8, 255])
def test_both_agree_with_scikit_image(shape, change):
    a, b = pair(shape, change)
    axis = 2 if len(shape) == 3 else None
    theirs = structural_similarity(a, b, data_range=255, channel_axis=axis)
    assert ssim(a, b) == pytest.approx(theirs, abs=1e-9)
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_images_make_no_trouble(level):
    a = np.full((12, 12, 3), level, np.uint8)
    b = np.full((12, 12, 3), abs(level - 8), np.uint8)
    theirs = structural_similarity(a, b, data_range=255, channel_axis=2)
    assert ssim(a, b) == pytest.approx(theirs, abs=1e-9)


def test_an_unchanged_image_has_the_highest_of_both():
    a, _ = pair((16, 16, 3), 8)
    assert psnr(a, a) == math.inf
    assert ssim(a, a) == pytest.approx(1, abs=1e-12)


def test_a_uniform_change_of_eight_levels_is_thirty_decibels():
    a = np.full((8, 8, 3), 100, np.uint8)
    assert psnr(a, a + 8) == pytest.approx(20 * math.log10(255 / 8))
