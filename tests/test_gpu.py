"""What is done otherwise on a GPU; skipped where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearnable.countermeasures import make_countermeasure
from unlearnable.data.shapes import shapes
from unlearnable.freezing import frozen, refrozen
from unlearnable.fusing import EverySecond
from unlearnable.learner import Learner
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.models import make_model
from unlearnable.noise import Budget
from unlearnable.replay import WARM_UP, Replay
from unlearnable.runtime import Run
from unlearnable.schedules import SCHEDULES
from unlearnable.training import fit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def gpu(seed: int = 0) -> Run:
    return Run.start("cuda", seed=seed)


def batch(count: int = 32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator("cuda").manual_seed(0)
    x = torch.rand(count, 3, 32, 32, device="cuda", generator=generator)
    y = torch.randint(10, (count,), device="cuda", generator=generator)
    return x.contiguous(memory_format=torch.channels_last), y


def trained(name: str = "resnet18:16") -> nn.Module:
    """A network whose batch norm is not as it was made."""
    model = make_model(name, 10, 32).cuda()
    for _ in range(3):
        model(batch()[0] * torch.rand((), device="cuda"))
    return model


@pytest.mark.parametrize("name", ["resnet18:16", "resnet50:8", "vgg11:16"])
def test_fused_kernels_give_the_gradient_that_plain_ones_give(name: str) -> None:
    model, (x, y) = trained(name).eval(), batch()

    def gradient(network: nn.Module, dtype: torch.dtype) -> Tensor:
        leaf = x.to(dtype).requires_grad_()
        loss = F.cross_entropy(network(leaf).float(), y, reduction="sum")
        return torch.autograd.grad(loss, leaf)[0].float()

    expected = gradient(model, torch.float32)
    off = [
        (gradient(frozen(model, dtype), dtype) - expected).norm() / expected.norm()
        for dtype in (torch.float32, torch.bfloat16)
    ]
    assert off[0] < 0.1  # as far as TF32 is off without them
    assert off[1] < 0.4  # bfloat16 without them: 0.27


@pytest.mark.parametrize("side", [8, 7])
def test_every_second_pixel_is_a_slice_there_and_back(side: int) -> None:
    x = batch()[0][:, :, :side, :side].clone(memory_format=torch.channels_last).requires_grad_()
    weights = torch.rand(32, 3, 4, 4, device="cuda")
    found, expected = EverySecond()(x), x[:, :, ::2, ::2]
    assert torch.equal(found, expected)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (found, expected)]
    assert torch.equal(*gradients)
    assert gradients[0].is_contiguous(memory_format=torch.channels_last)


def test_a_fused_copy_follows_the_network() -> None:
    model, (x, y) = trained(), batch()
    copy = refrozen(model, torch.float32)
    before = copy(x)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
    assert refrozen(model, torch.float32) is copy
    expected = model.eval()(x)
    assert (copy(x) - expected).norm() < 0.02 * expected.norm()
    assert (before - expected).norm() > 0.1 * expected.norm()


def test_a_replay_does_to_each_batch_what_was_recorded() -> None:
    total = torch.zeros((), device="cuda")

    def add(x: Tensor, y: Tensor) -> Tensor:
        total.add_(x.sum())
        return x.sum() + y.sum()

    replay = Replay(add)
    for number in range(1, WARM_UP + 5):
        x, y = torch.full((4,), float(number), device="cuda"), torch.ones(2, device="cuda")
        assert replay(x, y).item() == 4 * number + 2
    assert replay.graph is not None
    assert replay(torch.ones(3, device="cuda"), torch.ones(2, device="cuda")).item() == 5
    assert total.item() == 4 * sum(range(1, WARM_UP + 5)) + 3


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_recorded_steps_train_as_plain_ones_do(average: float) -> None:
    losses = []
    for recorded in (True, False):
        learner = Learner(
            make_model("resnet18:16", 10, 32),
            gpu(),
            momentum=0.9,
            weight_decay=5e-4,
            clip=5.0,
            nesterov=True,
            average=average,
        )
        if not recorded:
            learner.plain = learner._plain
        rates = [0.05] * 6 + [0.0] * 3 + [0.05] * 6
        x, y = batch(64)
        losses.append([learner.step(x, y, rate).item() for rate in rates])
        assert losses[-1][7] == pytest.approx(losses[-1][8], rel=0.02)  # a rate of 0: stands still
        x, y = batch(16)
        assert learner.step(x, y, 0.0).item() > 0
        assert learner.best is (learner.mean if average else learner.model)
    assert np.allclose(losses[0], losses[1], rtol=0.1, atol=0.05)
    assert losses[0][-1] < 0.5 * losses[0][0]


@pytest.mark.parametrize("countermeasure", ["none", "ueraser:lite", "cutmix"])
def test_training_learns(countermeasure: str) -> None:
    images, test = shapes(), shapes(500, split="test")
    schedule = replace(SCHEDULES["demo"], epochs=6, average=0.9)
    model = make_model("resnet18:16", len(images.classes), min(images.size))
    does = make_countermeasure(countermeasure).does
    found = fit(model, images, schedule=schedule, run=gpu(), test=test, countermeasure=does)
    assert found.curve[-1].loss < found.curve[0].loss
    assert found.curve[-1].accuracy is not None
    if countermeasure == "none":
        assert found.curve[-1].accuracy > 0.2


def test_adversarial_training_runs() -> None:
    does = make_countermeasure("at:4").does
    schedule = replace(SCHEDULES["fast"], epochs=1, batch_size=64, learning_rate=0.1)
    model = make_model("resnet18:16", 10, 32)
    found = fit(model, shapes(192), schedule=schedule, run=gpu(), countermeasure=does)
    assert 0 < found.curve[-1].loss < 10


def test_the_search_reaches_its_error() -> None:
    images = shapes(600)
    out = np.zeros((len(images), 3, *images.size), np.float32)
    facts = ErrorMinimizing(surrogate="resnet18:16")(images, Budget(), run=gpu(), out=out)
    assert facts["reached"]
    assert np.abs(out).max() == 8
