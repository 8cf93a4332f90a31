"""The operations, and what RandAugment, TrivialAugment and Fast AutoAugment make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision.transforms.v2 as tv
import torchvision.transforms.v2.functional as tvf
from torch import Tensor

from unlearnable.countermeasures.fast_autoaugment import CODES, PAIRS, FastAutoAugment
from unlearnable.countermeasures.operations import OPERATIONS
from unlearnable.countermeasures.policies import RandAugment, TrivialAugment
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.hooks import Countermeasure, Moment
from unlearnable.runtime import Run

REFERENCES: dict[str, tuple[list[float], Callable[[Tensor, float], Tensor]]] = {
    "identity": ([0], lambda x, amount: x),
    "rotate": ([-30, 100], tvf.rotate),
    "brightness": ([0.3, 1.8], tvf.adjust_brightness),
    "color": ([0.3, 1.8], tvf.adjust_saturation),
    "contrast": ([0.3, 1.8], tvf.adjust_contrast),
    "sharpness": ([0.3, 1.8], tvf.adjust_sharpness),
    "posterize": (
        [2, 5, 8],
        lambda x, bits: tvf.posterize(tvf.to_dtype(x, torch.uint8, True), bits) / 255,
    ),
    "solarize": ([0.2, 0.7], tvf.solarize),
    "autocontrast": ([0], lambda x, amount: tvf.autocontrast(x)),
    "equalize": ([0], lambda x, amount: tvf.equalize(x)),
    "invert": ([0], lambda x, amount: tvf.invert(x)),
}


def pictures(count: int = 10) -> Tensor:
    """Shapes, uint8 (count, 3, 32, 32)."""
    return torch.from_numpy(shapes(10).images).permute(0, 3, 1, 2)[:count]


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def copies(countermeasure: Countermeasure, image: Tensor, count: int) -> Tensor:
    """So many draws for one uint8 image, in levels."""
    x = (image / 255).repeat(count, 1, 1, 1)
    moment = Moment(Run.start("cpu", precision="float32"), draws(), 0.5, 2)
    return countermeasure.batch(x, torch.zeros(count).long(), moment=moment)[0] * 255


@pytest.mark.parametrize("name", REFERENCES)
def test_an_operation_is_torchvision_s_each_image_to_its_own_amount(name: str) -> None:
    amounts, reference = REFERENCES[name]
    x, each = pictures() / 255, [amounts[row % len(amounts)] for row in range(10)]
    found = OPERATIONS[name](x, torch.tensor(each).view(-1, 1, 1, 1), draws())
    expected = [reference(image, amount) for image, amount in zip(x, each, strict=True)]
    assert torch.allclose(found, torch.stack(expected), atol=1e-5)
    assert name == "identity" or not torch.allclose(found, x)


def possible(policy: Any, levels: range) -> Tensor:
    """All that torchvision's transform can make of one picture by one operation, in levels."""
    image, made = pictures(1), []
    for name, (magnitudes, signed) in policy._AUGMENTATION_SPACE.items():
        values = magnitudes(31, 32, 32)
        for level in levels if values is not None and values.ndim else [0]:
            amount = 0.0 if values is None else float(values[level])
            for sign in (1, -1) if signed else (1,):
                made.append(
                    policy._apply_image_or_video_transform(
                        image, name, sign * amount, interpolation="nearest", fill={Tensor: None}
                    )
                )
    return torch.cat(made).float()


@pytest.mark.parametrize(
    ("ours", "theirs", "levels", "covered"),
    [
        (RandAugment(ops=1, magnitude=9), tv.RandAugment(), range(9, 10), 1.0),
        (RandAugment(ops=1, magnitude=30), tv.RandAugment(), range(30, 31), 1.0),
        (TrivialAugment(), tv.TrivialAugmentWide(), range(31), 0.4),
    ],
)
def test_three_hundred_draws_are_of_what_torchvision_s_can_make(
    ours: Countermeasure, theirs: Any, levels: range, covered: float
) -> None:
    found, known = copies(ours, pictures(1)[0], 300), possible(theirs, levels)
    distance = torch.cdist(found.flatten(1), known.flatten(1), p=1) / found[0].numel()
    near = distance < 1.1  # theirs cuts off to whole levels, more than once
    assert near.any(1).float().mean() > 0.98
    assert near.any(0).float().mean() >= covered


def test_a_greater_magnitude_and_more_operations_change_more() -> None:
    image = pictures(1)[0]

    def change(ops: int, magnitude: int) -> float:
        return float((copies(RandAugment(ops, magnitude), image, 300) - image).abs().mean())

    assert change(1, 3) < change(1, 12) < change(1, 30)
    assert change(1, 12) < change(3, 12)


def test_the_policy_is_the_published_one() -> None:
    assert len(PAIRS) == 493
    names = list(CODES.values())
    first, last = ([(names[int(n)], c, m) for n, c, m in PAIRS[i].tolist()] for i in (0, -1))
    for found, published in (
        (first, [("contrast", 0.832, 0.499), ("translate-x", 0.418, 0.394)]),
        (last, [("cutout", 0.755, 0.090), ("shear-x", 0.584, 0.361)]),
    ):
        for (name, *numbers), (known, *figures) in zip(found, published, strict=True):
            assert name == known
            assert numbers == pytest.approx(figures, abs=0.0051)


def test_a_pair_is_done_as_often_as_its_chances_say() -> None:
    image = torch.randint(1, 255, (3, 32, 32), generator=draws()).to(torch.uint8)
    left = float((1 - PAIRS[:, :, 1]).prod(1).mean())
    found = copies(FastAutoAugment(), image, 3000)
    same = ((found - image).abs().amax((1, 2, 3)) < 0.01).float().mean()
    assert float(same) == pytest.approx(left, abs=0.03)


def test_holes_are_gray_and_no_wider_than_their_share() -> None:
    x = torch.ones(200, 1, 20, 30)
    holed = OPERATIONS["cutout"](x, torch.full((200, 1, 1, 1), 0.2), draws())
    assert set(holed.unique().tolist()) == {0.5, 1.0}
    widths = (holed < 1).any(2).sum(2)
    assert widths.max() <= 6
    assert widths.float().mean() > 5


@pytest.mark.parametrize("setting", [{"ops": 0}, {"magnitude": 31}])
def test_bounds_are_kept(setting: dict[str, int]) -> None:
    with pytest.raises(SettingError, match=next(iter(setting))):
        RandAugment(**setting)
