from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unlearnable.countermeasures.projection import Projection
from unlearnable.data.gather import from_arrays
from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.runtime import Run

CLASSES = 4


def planted(count: int = 3000, channels: int = 1) -> ImageSet:
    """Random pixels, and on top of them one pattern a class, of ±24 levels."""
    rng = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.int64) % CLASSES
    patterns = 24 * rng.choice([-1, 1], (CLASSES, 8, 10, channels))
    images = rng.integers(60, 196, (count, 8, 10, channels)) + patterns[labels]
    return from_arrays(images.astype(np.uint8), labels, list("abcd"), source="planted")


def read(data: ImageSet) -> float:
    """The accuracy of a linear classifier on the half that it was not trained on."""
    x = torch.from_numpy(data.images).flatten(1).float().div(255).sub(0.5)
    y = torch.from_numpy(data.labels)
    half = len(x) // 2
    weights = torch.zeros(CLASSES, x.shape[1], requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.5, weight_decay=1e-3)
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(x[:half] @ weights.T, y[:half]).backward()
        optimizer.step()
    found = (x[half:] @ weights.T).argmax(1)
    return float((found == y[half:]).float().mean())


def prepared(data: ImageSet, seed: int = 0) -> ImageSet:
    return Projection().prepare(data, run=Run.start("cpu", precision="float32", seed=seed))


def test_a_pattern_a_class_is_read_before_and_not_after() -> None:
    data = planted()
    assert read(data) > 0.97
    assert abs(read(prepared(data)) - 1 / CLASSES) < 0.1


def test_what_is_left_of_an_image_is_most_of_it() -> None:
    data = planted(channels=3)
    before, after = (images.images for images in (data, prepared(data)))
    assert after.shape == before.shape
    assert after.dtype == np.uint8
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.8


def test_one_seed_gives_the_same_images() -> None:
    data = planted(1500)
    one, same = (prepared(data, seed=1).images for _ in range(2))
    assert np.array_equal(one, same)


def test_an_epoch_is_the_least() -> None:
    with pytest.raises(SettingError, match="at least 1"):
        Projection(0)
