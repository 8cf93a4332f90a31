import numpy as np
import pytest

from unlearnable.data import adding
from unlearnable.data.adding import keeps, largest_change, strips, with_noise
from unlearnable.data.files import Picture
from unlearnable.errors import SettingError
from unlearnable.noise import Budget, seal


@pytest.fixture(autouse=True)
def small_strips(monkeypatch):
    monkeypatch.setattr(adding, "STRIP", 3000)


def a_noise(rng, channels=3, side=32, norm="linf"):
    levels = rng.uniform(-12, 12, (2, channels, side, side))
    return seal(levels, form="class-wise", budget=Budget(norm, 8))


@pytest.mark.parametrize("seed", range(20))
def test_in_parts_it_is_what_the_noise_gives_as_a_whole(pixels, seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(8, 300, 2)
    channels, own = rng.choice([1, 3], 2)
    noise = a_noise(rng, own, int(rng.choice([16, 33, 64])))
    clean = pixels(height, width, channels, seed=seed)
    found = with_noise(Picture(clean), noise, 1).pixels
    assert np.array_equal(found, noise.add_to(clean, 1))
    assert keeps(noise.budget, clean, found) and 0 < largest_change(clean, found) <= 8


def test_alpha_is_left_as_it_was(pixels):
    clean = Picture(pixels(90, 70, 4))
    found = with_noise(clean, a_noise(np.random.default_rng(0)), 0)
    assert np.array_equal(found.pixels[:, :, 3], clean.pixels[:, :, 3])


def test_a_norm_that_cannot_be_resized_is_refused_as_ever(pixels):
    with pytest.raises(SettingError, match="cannot be resized"):
        with_noise(Picture(pixels(90, 70, 3)), a_noise(np.random.default_rng(0), norm="l2"), 0)


def test_the_strips_are_all_of_a_picture():
    rows = np.concatenate([np.arange(100)[part] for part in strips(100, 70)])
    assert rows.tolist() == list(range(100)) and len(strips(100, 70)) > 1


def test_one_pixel_that_is_changed_too_much_breaks_the_budget(pixels):
    clean = pixels(100, 70, 3) // 2
    other = clean.copy()
    other[99, 69, 2] += 9
    assert not keeps(Budget("linf", 8), clean, other) and keeps(Budget("linf", 9), clean, other)
    assert keeps(Budget("l0", 1), clean, other) and not keeps(Budget("l2", 8), clean, other)
