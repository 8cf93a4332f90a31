from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unlearnable.countermeasures.displacement import Displacement
from unlearnable.errors import SettingError
from unlearnable.hooks import Moment
from unlearnable.runtime import Run


def displaced(x: Tensor, reach: float) -> Tensor:
    moment = Moment(Run.start("cpu"), torch.Generator().manual_seed(0), 0.5, 2)
    return Displacement(reach).batch(x, torch.zeros(len(x)).long(), moment=moment)[0]


@pytest.mark.parametrize("reach", [0.5, 2.0])
@pytest.mark.parametrize("axis", [2, 3])
def test_every_pixel_comes_from_up_to_so_far_along_each_axis(reach: float, axis: int) -> None:
    shape = [8, 3, 20, 30]
    place = torch.arange(shape[axis]).view([-1 if dim == axis else 1 for dim in range(4)])
    x = place.expand(shape).float() / 100
    step = ((displaced(x, reach) - x) * 100)[:, :, 4:-4, 4:-4]
    assert step.abs().max() <= reach + 1e-3
    assert step.mean() == pytest.approx(0, abs=0.05 * reach)
    assert step.std() == pytest.approx(reach / math.sqrt(3), rel=0.05)
    assert torch.allclose(step[:, :1].expand_as(step), step, atol=1e-4), "channels move together"


def test_opposite_edges_are_joined() -> None:
    assert torch.allclose(displaced(torch.full((4, 1, 8, 8), 0.7), 2.0), torch.tensor(0.7))
    x = torch.zeros(64, 1, 8, 8)
    x[:, :, :, 0] = 1
    assert displaced(x, 2.0)[:, :, :, 7].mean() > 0.1


@pytest.mark.parametrize("reach", [0.0, 7.5])
def test_bounds_are_kept(reach: float) -> None:
    with pytest.raises(SettingError, match="reach"):
        Displacement(reach)
