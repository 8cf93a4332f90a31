import numpy as np
import pytest

from unlearnable.countermeasures.key_estimate import KeyEstimate
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.noise import Budget, seal
from unlearnable.runtime import Run


def planted(count=400):
    """The built-in set with a key of ±8 levels, four pixels wide, on each class."""
    clean = shapes(count)
    signs = np.random.default_rng(1).choice([-8.0, 8.0], (10, 3, 8, 8))
    noise = seal(np.kron(signs, np.ones((4, 4))), form="class-wise", budget=Budget())
    protected = np.stack(
        [noise.add_to(x, y) for x, y in zip(clean.images, clean.labels, strict=True)]
    )
    return clean, protected, noise


def left(photos):
    """The share of the noise's energy that is left when so many photos give it away."""
    clean, protected, _ = planted()
    suspect = clean.__class__(protected, clean.labels, clean.classes, clean.origins, "suspect")
    cleaned = KeyEstimate(photos=photos).prepare(suspect, run=Run.start("cpu"))
    before = protected.astype(float) - clean.images
    after = cleaned.images.astype(float) - clean.images
    return np.sum(after**2) / np.sum(before**2)


def test_the_more_photos_carry_a_key_the_more_of_it_they_give_away():
    few, many = left(4), left(40)
    assert many < 0.6 < few


def test_a_guess_keeps_the_budget_and_has_the_shape_of_a_photo():
    _, protected, _ = planted(50)
    run = Run.start("cpu")
    guess = KeyEstimate(epsilon=3).guess(run.upload(protected).float())
    assert guess.shape == (3, 32, 32) and 0 < guess.abs().max() <= 3


def test_no_photo_gives_nothing_away():
    with pytest.raises(SettingError, match="photos"):
        KeyEstimate(photos=0)
