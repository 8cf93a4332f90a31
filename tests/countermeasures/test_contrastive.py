from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unlearnable.countermeasures.contrastive import Contrastive
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.hooks import Moment
from unlearnable.runtime import Run


def augmented(x: Tensor, strength: float) -> Tensor:
    moment = Moment(Run.start("cpu"), torch.Generator().manual_seed(0), 0.5, 2)
    return Contrastive(strength).batch(x, torch.zeros(len(x)).long(), moment=moment)[0]


@pytest.mark.parametrize("strength", [0.4, 1.0])
def test_jitter_and_greyscale_come_as_often_as_the_strength_says(strength: float) -> None:
    plain = torch.full((2000, 3, 8, 8), 0.5)
    jittered = (augmented(plain, strength) - plain).abs().amax((1, 2, 3)) > 1e-4
    assert jittered.float().mean().item() == pytest.approx(0.8 * strength, abs=0.03)
    colourful = torch.rand(2000, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    gray = augmented(colourful, strength).std(1).amax((1, 2)) < 1e-4
    assert gray.float().mean().item() == pytest.approx(0.2 * strength, abs=0.03)


def test_a_crop_shows_nearly_all_or_a_small_part() -> None:
    stripes = (torch.arange(32) // 2 % 2).float().expand(500, 3, 32, 32)
    seen = {}
    for strength in (0.1, 1.0):
        line = augmented(stripes, strength)[:, :, 16].mean(1)
        edges = ((line - line.mean(1, keepdim=True)) > 0).diff(dim=1).sum(1)
        seen[strength] = float(edges.min()), float(edges.float().mean())
    assert seen[0.1][0] >= 11
    assert seen[1.0][0] <= 5


def test_greater_strength_changes_more() -> None:
    x = torch.from_numpy(shapes(200).images).permute(0, 3, 1, 2) / 255
    changes = [float((augmented(x, s) - x).abs().mean()) for s in (0.1, 0.4, 1.0)]
    assert changes == sorted(changes)


@pytest.mark.parametrize("strength", [0.0, 1.1])
def test_bounds_are_kept(strength: float) -> None:
    with pytest.raises(SettingError, match="strength"):
        Contrastive(strength)
