from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearnable.countermeasures.adversarial import AdversarialTraining
from unlearnable.data.gather import from_arrays
from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.freezing import frozen
from unlearnable.hooks import NOTHING, Countermeasure, Moment
from unlearnable.models import make_model
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.training import fit

RUN = Run.start("cpu", precision="float32", seed=2)
Norm = Literal["linf", "l2"]


def two_signs(count: int = 200, seed: int = 0) -> ImageSet:
    """A plain sign of the class that is right for 8 of 10, and a faint one that always is."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    sign = (2 * labels - 1)[:, None, None, None]
    plain = np.where(rng.random((count, 1, 1, 1)) < 0.8, sign, -sign)
    images = 128 + rng.integers(-10, 11, (count, 8, 8, 3))
    images[:, :, :2] += 30 * plain
    images[:, :, 2:] += 6 * sign
    return from_arrays(images.astype(np.uint8), labels, ["minus", "plus"], source="two signs")


def losses_of(model: nn.Module, y: Tensor) -> Tensor:
    net = frozen(model, torch.float32)
    return lambda x: F.cross_entropy(net(x), y, reduction="none")


def trained(countermeasure: Countermeasure) -> nn.Module:
    """A linear classifier: what it goes by is plain to see."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    schedule = Schedule(epochs=10, batch_size=20, learning_rate=0.2, augmentations="")
    return fit(model, two_signs(), schedule=schedule, run=RUN, countermeasure=countermeasure).model


def under_attack(model: nn.Module, attack: AdversarialTraining) -> float:
    """Accuracy on attacked images."""
    tests = two_signs(seed=1)
    x, y = RUN.upload(tests.images).float() / 255, torch.from_numpy(tests.labels)
    worst = attack.attack(losses_of(model, y), x, RUN.generator("test"))
    return float((model(worst).argmax(1) == y).float().mean())


@pytest.mark.parametrize(("norm", "radius"), [("linf", 10), ("l2", 100)])
def test_a_network_so_trained_withstands_attacks(norm: Norm, radius: int) -> None:
    attack = AdversarialTraining(radius, norm=norm)
    plain, robust = under_attack(trained(NOTHING), attack), under_attack(trained(attack), attack)
    assert plain < 0.3
    assert robust > 0.7


@pytest.mark.parametrize(("norm", "radius"), [("linf", 8), ("l2", 128)])
@pytest.mark.parametrize("channels", [1, 3])
def test_attacked_images_stay_in_the_ball_and_in_range(
    norm: Norm, radius: int, channels: int
) -> None:
    model = make_model("resnet18:2", 2, 8, channels=channels)
    x = torch.rand(6, channels, 8, 12, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    y = torch.tensor([0, 1] * 3)
    losses, attack = losses_of(model, y), AdversarialTraining(radius, norm=norm)
    worst = attack.attack(losses, x, RUN.generator("test"))
    change = (worst - x).flatten(1)
    sizes = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert (sizes <= radius / 255 + 1e-6).all()
    assert sizes.max() > 0.9 * radius / 255
    assert worst.min() >= 0 and worst.max() <= 1
    assert (losses(worst) > losses(x)).all()
    assert worst.equal(attack.attack(losses, x, RUN.generator("test"))), "the same draws"


def test_the_loss_of_a_step_is_above_the_plain_loss() -> None:
    model, data = trained(NOTHING), two_signs(20)
    x, y = RUN.upload(data.images).float() / 255, torch.from_numpy(data.labels)
    moment = Moment(RUN, RUN.generator("test"), 0.0)

    def loss(countermeasure: Countermeasure) -> float:
        def criterion(logits: Tensor, y: Tensor) -> Tensor:
            return F.cross_entropy(logits, y, reduction="none")

        value = countermeasure.loss(model, x, y, criterion=criterion, moment=moment)
        return value.item()

    assert loss(AdversarialTraining()) > loss(NOTHING) + 0.3


def test_a_radius_of_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="radius=0 is out of range"):
        AdversarialTraining(0)
