from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearnable.countermeasures.ueraser import UEraser, erased, plasma
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.hooks import Moment
from unlearnable.runtime import Run

RUN = Run.start("cpu", precision="float32")


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def batch(count: int = 40) -> tuple[Tensor, Tensor]:
    data = shapes(count)
    return torch.from_numpy(data.images).permute(0, 3, 1, 2) / 255, torch.from_numpy(data.labels)


def linear() -> nn.Module:
    torch.default_generator.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))


def criterion(logits: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(logits, y, reduction="none")


def loss(variant: str, progress: float = 0.0) -> tuple[Tensor, Tensor]:
    """Its value, and its gradient at the model's weights."""
    model = linear()
    moment = Moment(RUN, generator(), progress, 10)
    x, y = batch()
    found = UEraser(variant, draws=3).loss(model, x, y, criterion=criterion, moment=moment)
    found.backward()
    return found.detach(), model[1].weight.grad


def each_draw() -> tuple[Tensor, Tensor, Tensor]:
    """Three draws of forty images, (3, 40, ...), their labels, and their losses, (3, 40)."""
    x, y = batch()
    views = erased(torch.cat([x] * 3), generator())
    losses = criterion(linear()(views), y.repeat(3)).view(3, 40)
    return views.view(3, 40, *x.shape[1:]), y, losses.detach()


def test_the_loss_is_that_of_each_image_s_worst_draw_and_never_below_one_draw_s() -> None:
    _, _, losses = each_draw()
    worst, _ = loss("max")
    assert worst == pytest.approx(losses.max(0).values.mean().item(), rel=1e-5)
    assert all(worst >= once for once in losses.mean(1))
    assert len(losses.argmax(0).unique()) == 3, "each image has its own worst draw"


def test_the_gradient_is_that_of_the_worst_draws_alone() -> None:
    views, y, losses = each_draw()
    model = linear()
    chosen = views[losses.argmax(0), torch.arange(40)]
    criterion(model(chosen), y).mean().backward()
    assert torch.allclose(loss("max")[1], model[1].weight.grad, atol=1e-6)


def test_standard_takes_the_worst_draw_for_a_quarter_of_the_training() -> None:
    assert loss("standard", 0.24)[0] == loss("max")[0]
    x, y = batch()
    once = criterion(linear()(erased(x, generator())), y).mean()
    assert loss("standard", 0.26)[0] == pytest.approx(once.item(), rel=1e-5)


def test_lite_augments_the_batch_and_the_others_the_loss() -> None:
    x, y = batch()
    moment = Moment(RUN, generator(), 0.0, 10)
    assert UEraser("lite").hooks == {"batch"}
    lite, labels = UEraser("lite").batch(x, y, moment=moment)
    assert (lite - x).abs().mean() > 0.1
    assert torch.equal(labels, y)
    assert loss("lite")[0] == pytest.approx(criterion(linear()(x), y).mean().item(), rel=1e-5)
    for variant in ("standard", "max"):
        assert UEraser(variant).hooks == {"loss"}
        assert UEraser(variant).batch(x, y, moment=moment)[0] is x


def test_soft_labels_are_taken() -> None:
    x, y = batch()
    moment = Moment(RUN, generator(), 0.0, 10)
    hard, _ = loss("max")
    soft = UEraser("max", draws=3).loss(
        linear(), x, F.one_hot(y, 10).float(), criterion=criterion, moment=moment
    )
    assert soft.item() == pytest.approx(hard.item(), rel=1e-5)


def test_a_cloud_is_smooth_fills_its_range_and_is_each_channel_s_own() -> None:
    clouds = plasma(torch.empty(300, 3, 24, 40), generator())
    assert clouds.shape == (300, 3, 24, 40)
    assert clouds.min() >= 0
    assert clouds.max() <= 1
    assert clouds.mean() == pytest.approx(0.5, abs=0.02)
    assert clouds.flatten(2).std(2).mean() > 0.05
    step = clouds.diff(dim=3).abs().mean()
    apart = (clouds[..., :20] - clouds[..., 20:]).abs().mean()
    assert step < 0.5 * apart
    assert torch.corrcoef(clouds[:, :, 12, 20].T).triu(1).abs().max() < 0.2


def test_one_draw_is_too_few_to_choose_from() -> None:
    with pytest.raises(SettingError, match="draws"):
        UEraser("max", draws=1)


def test_max_costs_as_many_trainings_as_draws_and_standard_fewer() -> None:
    costs = [UEraser(variant).cost for variant in ("lite", "standard", "max")]
    assert costs == [1, 2, 5]
