from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from unlearnable.data.duplicates import duplicates
from unlearnable.data.imageset import ImageSet
from unlearnable.data.shapes import shapes


def compressed(image: np.ndarray, quality: int = 30) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def landscapes(count: int, seed: int) -> ImageSet:
    """Smooth coloured pictures, as unlike one another as photographs are."""
    rng, drawn = np.random.default_rng(seed), []
    for _ in range(count):
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((48, 48), Image.Resampling.BICUBIC)
        drawn.append(np.asarray(picture))
    some = shapes(count)
    return replace(some, images=np.stack(drawn))


def test_a_training_image_is_found_exactly_nearly_and_mirrored() -> None:
    train, test = landscapes(200, 0), landscapes(50, 1)
    images = test.images.copy()
    images[3] = train.images[7]
    images[5] = compressed(train.images[11])
    images[8] = compressed(train.images[13][:, ::-1])
    found = duplicates(replace(test, images=images), train)
    assert found.exact.tolist() == [3]
    assert found.near.tolist() == [5, 8]
    assert found.twins.tolist() == [7, 11, 13]


def test_sets_drawn_apart_have_none() -> None:
    found = duplicates(landscapes(100, 2), landscapes(300, 3))
    assert len(found.rows) == 0


def test_flat_pictures_are_not_alike_for_being_flat() -> None:
    train, test = landscapes(20, 4), landscapes(20, 5)
    train.images[0], test.images[0] = 200, 100
    assert len(duplicates(test, train).rows) == 0


def test_gray_pictures_are_compared_too() -> None:
    train = landscapes(20, 6)
    gray = replace(train, images=train.images[..., :1])
    assert duplicates(gray.take(np.arange(4)), gray).exact.tolist() == [0, 1, 2, 3]
