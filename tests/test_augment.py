from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unlearnable.augment import AUGMENTATIONS, augment
from unlearnable.errors import SettingError


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 6, channels: int = 3, height: int = 9, width: int = 12) -> Tensor:
    shape = (count, channels, height, width)
    return torch.randint(256, shape, generator=generator(1), dtype=torch.uint8)


def alike(count: int) -> Tensor:
    return images(1).repeat(count, 1, 1, 1)


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_shape_and_range_are_kept(name: str, channels: int, dtype: torch.dtype) -> None:
    x = images(channels=channels).to(dtype)
    x[0], x[1] = 0, 255
    before = x.clone()
    y = augment(x, (name,), generator())
    assert y.shape == x.shape
    assert y.min() >= 0
    assert y.max() < 255.001
    assert torch.equal(x, before)
    assert torch.equal(y.float(), x.float()) == (name == "gray" and channels == 1)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_image_has_its_own_draw(name: str) -> None:
    seen = augment(alike(64), (name,), generator()).flatten(1)
    kinds = len(torch.unique(seen, dim=0))
    assert kinds == 2 if name in ("flip", "gray") else kinds > 20


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_generator_gives_the_same_images(name: str) -> None:
    one, same, other = (augment(images(16), (name,), generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("padding", [1, 3])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_a_crop_is_a_window_of_the_padded_image(padding: int, dtype: torch.dtype) -> None:
    x = images(200).to(dtype)
    height, width = x.shape[2:]
    padded = F.pad(x, (padding,) * 4)
    found = set()
    for whole, cropped in zip(padded, augment(x, (f"crop:{padding}",), generator()), strict=True):
        places = [
            (top, left)
            for top in range(2 * padding + 1)
            for left in range(2 * padding + 1)
            if torch.equal(whole[:, top : top + height, left : left + width], cropped)
        ]
        assert len(places) == 1
        found.add(places[0])
    assert {top for top, _ in found} == {left for _, left in found} == set(range(2 * padding + 1))


def test_a_flip_of_100_percent_is_that_of_torch() -> None:
    assert torch.equal(augment(images(), ("flip:100",), generator()), images().flip(3))


def test_half_of_the_images_are_flipped_by_default() -> None:
    x = alike(1000)
    flipped = (augment(x, ("flip",), generator()) != x).flatten(1).any(1)
    assert 430 < flipped.sum() < 570


@pytest.mark.parametrize("text", ["crop:0", "flip:0", "rotate:0", "jitter:0"])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_amount_of_nought_changes_nothing(text: str, channels: int) -> None:
    x = images(channels=channels)
    assert torch.allclose(augment(x, (text,), generator()).float(), x.float(), atol=0.01)


def ramp(height: int = 12, width: int = 18) -> Tensor:
    """An image that tells each place: 10 levels a column in red, 10 levels a row in green."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return 10.0 * torch.stack([x, y, torch.zeros_like(x)])


def test_a_rotation_turns_a_disc_of_an_oblong_image_onto_itself() -> None:
    y, x = torch.meshgrid(torch.arange(20) - 9.5, torch.arange(30) - 14.5, indexing="ij")
    disc = (255.0 * (x**2 + y**2 < 8**2)).expand(8, 1, -1, -1)
    turned = augment(disc, ("rotate:180",), generator())
    assert ((turned - disc).abs() > 0).float().mean() < 0.06


def test_a_rotation_keeps_within_its_angle() -> None:
    x = ramp(21, 21).repeat(50, 1, 1, 1)
    turned = augment(x, ("rotate:30",), generator())
    right = turned[:, :2, 10, 18] / 10 - 10
    angles = torch.atan2(right[:, 1], right[:, 0]).rad2deg()
    assert angles.min() < -15
    assert angles.max() > 15
    assert angles.abs().max() < 34


def test_a_resized_crop_of_the_whole_area_shows_the_whole_of_one_side() -> None:
    x = ramp().repeat(40, 1, 1, 1)
    seen = augment(x, ("resized-crop:100",), generator())
    across = (seen[:, 0, 6, -1] - seen[:, 0, 6, 0]) / 170
    down = (seen[:, 1, -1, 9] - seen[:, 1, 0, 9]) / 110
    least = 3**0.5 / 2 - 0.03
    assert (torch.maximum(across, down) > 0.97).all()
    assert (torch.minimum(across, down) > least).all()
    assert (torch.minimum(across, down) < 0.95).any()


def test_a_resized_crop_has_at_least_the_area_asked_for() -> None:
    x = ramp(40, 40).repeat(200, 1, 1, 1)
    seen = augment(x, ("resized-crop:25",), generator())
    across = (seen[:, 0, 20, 35] - seen[:, 0, 20, 4]) / 310
    down = (seen[:, 1, 35, 20] - seen[:, 1, 4, 20]) / 310
    area = across * down
    assert area.min() > 0.24
    assert area.min() < 0.32
    assert area.max() > 0.8


def test_a_resized_crop_has_no_dark_border() -> None:
    white = torch.full((50, 3, 6, 8), 255, dtype=torch.uint8)
    assert augment(white, ("resized-crop",), generator()).min() > 254.99


def test_jitter_leaves_grey_pixels_grey() -> None:
    grey = images(channels=1).repeat(1, 3, 1, 1)
    y = augment(grey, ("jitter:40",), generator())
    assert torch.allclose(y[:, :1].expand_as(y), y, atol=0.01)
    assert not torch.allclose(y, grey.float(), atol=5)


def test_augmentations_follow_one_another_in_the_order_given() -> None:
    draws = generator()
    expected = augment(augment(images(), ("crop:2",), draws), ("jitter",), draws)
    assert torch.equal(augment(images(), ("crop:2", "jitter"), generator()), expected)
    assert torch.equal(augment(images(), (), generator()), images())


def test_without_an_amount_the_usual_one_is_taken() -> None:
    for name, (_, usual) in AUGMENTATIONS.items():
        usually = augment(images(), (name,), generator())
        assert torch.equal(usually, augment(images(), (f"{name}:{usual}",), generator()))


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SettingError, match="'blur': choose one of crop, flip, rotate"):
        augment(images(), ("flip", "blur:3"), generator())


@pytest.mark.parametrize("text", ["crop:x", "crop:-1", "rotate:nan", "jitter:inf", "flip:1.2.3"])
def test_an_amount_that_is_no_number_from_nought_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match=f"'{text}': write its amount as a number"):
        augment(images(), (text,), generator())


def test_gradients_go_back_to_the_pixels_that_were_kept() -> None:
    x = torch.rand(3, 2, 8, 8, requires_grad=True)
    seen = augment(x, ("crop:2", "flip"), generator())
    (gradient,) = torch.autograd.grad(seen.sum(), x)
    assert set(gradient.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close((gradient * x).sum((1, 2, 3)), seen.sum((1, 2, 3)))
