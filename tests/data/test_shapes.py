import numpy as np
import pytest

from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError

CHANCE = 0.1


@pytest.fixture(scope="module")
def parts():
    train, test = shapes(500), shapes(300, split="test")
    return train.images / 255, train.labels, test.images / 255, test.labels


def nearest_mean_accuracy(train, labels, test, expected):
    means = np.stack([train[labels == label].mean(0) for label in range(10)])
    distances = ((test[:, None] - means[None]) ** 2).sum(2)
    return (distances.argmin(1) == expected).mean()


def test_the_same_seed_draws_the_same_bytes():
    assert shapes(20, seed=3).digest() == shapes(20, seed=3).digest()
    assert shapes(20, seed=3).digest() != shapes(20, seed=4).digest()


def test_more_images_begin_with_the_same_ones():
    assert np.array_equal(shapes(30).images[:20], shapes(20).images)


def test_the_two_parts_share_no_image():
    train = {image.tobytes() for image in shapes(100).images}
    assert len(train) == 100
    assert train.isdisjoint(image.tobytes() for image in shapes(100, split="test").images)


def test_the_classes_are_ten_and_balanced():
    images = shapes(100)
    assert images.images.shape == (100, 32, 32, 3) and len(images.classes) == 10
    assert np.bincount(images.labels).tolist() == [10] * 10
    assert images.names[10] == f"{images.classes[0]}/00002"


def test_fewer_images_than_classes_are_refused():
    with pytest.raises(SettingError, match="10 classes: 9 images are too few"):
        shapes(9)


def test_raw_pixels_do_not_tell_the_classes_apart(parts):
    train, labels, test, expected = parts
    flat = nearest_mean_accuracy(
        train.reshape(len(train), -1), labels, test.reshape(len(test), -1), expected
    )
    assert flat < 0.4


def test_the_mean_colour_does_not_tell_the_classes_apart(parts):
    train, labels, test, expected = parts
    accuracy = nearest_mean_accuracy(train.mean((1, 2)), labels, test.mean((1, 2)), expected)
    assert accuracy < 2 * CHANCE


def test_no_single_pixel_tells_the_classes_apart(parts):
    train, labels, test, expected = parts
    for row, column in ((0, 0), (16, 16), (8, 24), (16, 10)):
        accuracy = nearest_mean_accuracy(
            train[:, row, column], labels, test[:, row, column], expected
        )
        assert accuracy < 2.5 * CHANCE
