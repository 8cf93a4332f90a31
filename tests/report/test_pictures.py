from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from unlearnable.report.pictures import (
    GAP,
    HEADER,
    SHADES,
    TILE,
    WINDOW,
    data_uri,
    heat_picture,
    triptych,
    window,
)

Pixels = NDArray[np.uint8]


def drawn(height: int, width: int, channels: int = 3, seed: int = 0) -> Pixels:
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(20, 236, shape, dtype=np.uint8)


def sheet(clean: list[Pixels], protected: list[Pixels]) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(triptych(clean, protected))))


def tile(picture: Pixels, row: int, column: int = 0) -> Pixels:
    top, left = row * (HEADER + TILE) + HEADER, GAP + column * (TILE + GAP)
    return picture[top : top + TILE, left : left + TILE]


def enlarged(pixels: Pixels) -> Pixels:
    return pixels.repeat(TILE // len(pixels), 0).repeat(TILE // len(pixels), 1)


def test_clean_and_protected_images_are_shown_as_they_are() -> None:
    clean = [drawn(16, 16, seed=seed) for seed in range(3)]
    protected = [image + np.uint8(seed) for seed, image in enumerate(clean)]
    picture = sheet(clean, protected)
    for column in range(3):
        assert np.array_equal(tile(picture, 0, column), enlarged(clean[column]))
        assert np.array_equal(tile(picture, 2, column), enlarged(protected[column]))


def test_noise_is_shown_ten_times_about_the_middle_grey() -> None:
    clean = drawn(4, 4)
    protected = clean.copy()
    protected[0, 0] += np.array([8, 0, 1], np.uint8)
    protected[1, 2] -= np.array([8, 15, 0], np.uint8)
    shown = tile(sheet([clean], [protected]), 1)[::32, ::32]
    assert shown[0, 0].tolist() == [208, 128, 138]
    assert shown[1, 2].tolist() == [48, 0, 128]
    assert (shown[2:] == 128).all()


def test_grey_images_are_shown_grey() -> None:
    clean = drawn(8, 8, channels=1)
    picture = sheet([clean], [clean + np.uint8(2)])
    assert np.array_equal(tile(picture, 0), enlarged(clean).repeat(3, axis=2))
    assert (tile(picture, 1) == 148).all()


@pytest.mark.parametrize(("height", "width"), [(300, 300), (40, 300), (300, 40), (5, 9)])
def test_images_of_any_size_fit_their_tile(height: int, width: int) -> None:
    black = np.zeros((height, width, 3), np.uint8)
    shown = tile(sheet([black], [black]), 0)
    dark = np.argwhere((shown == 0).all(2))
    tall, wide = dark.max(0) - dark.min(0) + 1
    assert len(dark) == tall * wide
    assert TILE * 0.9 < max(tall, wide) <= TILE
    assert tall / wide == pytest.approx(height / width, rel=0.06)


def test_every_image_has_a_column_and_every_row_a_title() -> None:
    clean = [drawn(8, 8)] * 5
    picture = sheet(clean, clean)
    assert picture.shape == (3 * (HEADER + TILE) + GAP, GAP + 5 * (TILE + GAP), 3)
    for row in range(3):
        header = picture[row * (HEADER + TILE) : row * (HEADER + TILE) + HEADER]
        assert (header < 64).any()


def test_an_image_without_its_protected_one_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        triptych([drawn(8, 8)] * 2, [drawn(8, 8)])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_data_uri_holds_the_image_pixel_for_pixel(channels: int) -> None:
    pixels = drawn(6, 9, channels)
    coded = data_uri(pixels).removeprefix("data:image/png;base64,")
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(coded))))
    assert np.array_equal(found.reshape(pixels.shape), pixels)


def test_of_a_large_image_the_middle_is_shown() -> None:
    large = drawn(300, 50)
    assert np.array_equal(window(large), large[94 : 94 + WINDOW])
    assert np.array_equal(window(drawn(20, 30)), drawn(20, 30))


def test_heat_goes_from_the_lowest_finite_value_to_the_highest() -> None:
    picture = heat_picture(np.array([[-np.inf, -2.0], [1.0, 4.0]], np.float32))
    assert picture[0, 0].tolist() == picture[0, 1].tolist() == SHADES[0].tolist()
    assert picture[1, 0].tolist() == SHADES[2].tolist()
    assert picture[1, 1].tolist() == SHADES[-1].tolist()
    assert heat_picture(np.zeros((500, 300), np.float32)).shape == (100, 60, 3)
