"""What every countermeasure promises that only changes a batch's images."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unlearnable.countermeasures import make_countermeasure
from unlearnable.hooks import Moment
from unlearnable.runtime import Run

MIXING = ("mixup", "cutmix")
ALONE = ("randaugment", "trivialaugment", "fast-autoaugment", "coin", "contrastive", "ueraser:lite")
each = pytest.mark.parametrize("name", [*MIXING, *ALONE])


def images(count: int = 12, channels: int = 3) -> Tensor:
    draws = torch.Generator().manual_seed(5)
    return torch.rand(count, channels, 16, 20, generator=draws)


def batch(name: str, x: Tensor, y: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    run = Run.start("cpu", precision="float32")
    moment = Moment(run, torch.Generator().manual_seed(seed), 0.5, classes=len(x))
    return make_countermeasure(name).does.batch(x, y, moment=moment)


@each
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_range_are_kept_and_the_images_given_left_alone(name: str, channels: int) -> None:
    x, y = images(channels=channels), torch.arange(12)
    before = x.clone()
    changed, labels = batch(name, x, y)
    assert changed.shape == x.shape
    assert changed.dtype == torch.float32
    assert changed.min() >= 0
    assert changed.max() <= 1.00001
    assert not torch.equal(changed, x)
    assert torch.equal(x, before)
    assert torch.equal(labels, y) or name in MIXING


@each
def test_the_same_draws_give_the_same_images_and_labels(name: str) -> None:
    x, y = images(), torch.arange(12)
    one, same, other = (batch(name, x, y, seed) for seed in (3, 3, 4))
    assert torch.equal(one[0], same[0])
    assert torch.equal(one[1], same[1])
    assert not torch.equal(one[0], other[0])


@pytest.mark.parametrize("name", ALONE)
def test_each_image_has_its_own_draw(name: str) -> None:
    x = images(1).repeat(64, 1, 1, 1)
    changed, _ = batch(name, x, torch.zeros(64, dtype=torch.long))
    kinds = torch.unique(changed.flatten(1), dim=0)
    assert len(kinds) > 30
