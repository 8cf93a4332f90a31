from __future__ import annotations

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearnable.freezing import frozen, refrozen
from unlearnable.models import make_model


def images(count: int = 4, side: int = 16) -> Tensor:
    return torch.rand((count, 3, side, side), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """A network whose batch norms have seen something, in training mode."""
    model = make_model("resnet18:4", 3, 16)
    with torch.no_grad():
        for _ in range(5):
            model(images(16))
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.uniform_(module.bias, -1, 1)
    return model


def test_a_frozen_network_of_timm_gives_the_same_logits() -> None:
    dense = make_model("densenet121:4", 7, 32).eval()
    with torch.no_grad():
        expected = dense(images(2, 32))
        assert torch.allclose(frozen(dense, torch.float32)(images(2, 32)), expected, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_a_frozen_network_gives_the_logits_of_evaluation(
    trained: nn.Module, training: bool
) -> None:
    with torch.no_grad():
        expected = trained.eval()(images())
        trained.train(training)
        found = frozen(trained, torch.float32)(images())
    assert expected.std() > 0.01
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_frozen_network_has_no_batch_norm_and_no_gradients(trained: nn.Module) -> None:
    copy = frozen(trained, torch.float32)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    assert not any(parameter.requires_grad for parameter in copy.parameters())
    assert not any(module.training for module in copy.modules())
    x = images().requires_grad_()
    copy(x).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_freezing_leaves_the_network_as_it_was(trained: nn.Module) -> None:
    trained.train()
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    frozen(trained, torch.bfloat16)
    assert all(module.training for module in trained.modules())
    assert all(parameter.requires_grad for parameter in trained.parameters())
    after = trained.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_frozen_network_computes_in_the_type_asked_for(trained: nn.Module) -> None:
    copy = frozen(trained, torch.bfloat16)
    assert {parameter.dtype for parameter in copy.parameters()} == {torch.bfloat16}
    assert copy(images().bfloat16()).dtype == torch.bfloat16


def step(model: nn.Module) -> None:
    """Move all weights, and what batch norm remembers."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    F.cross_entropy(model.train()(images(16)), torch.arange(16) % 3).backward()
    optimizer.step()


@pytest.mark.parametrize("name", ["resnet18:4", "vgg11:4"])
def test_a_copy_follows_the_network(name: str) -> None:
    model = make_model(name, 3, 16)
    copy = refrozen(model, torch.float32)
    for _ in range(2):
        before = copy(images())
        step(model)
        assert refrozen(model, torch.float32) is copy
        found = copy(images())
        assert torch.allclose(found, model.eval()(images()), atol=1e-4)
        assert not torch.allclose(found, before, atol=1e-3)


def test_what_was_frozen_once_stays_as_it_was(trained: nn.Module) -> None:
    model = make_model("resnet18:4", 3, 16)
    copy = frozen(model, torch.float32)
    before = copy(images())
    step(model)
    refrozen(model, torch.float32)
    assert torch.equal(copy(images()), before)


def test_another_type_is_another_copy() -> None:
    model = make_model("resnet18:4", 3, 16)
    single = refrozen(model, torch.float32)
    assert refrozen(model, torch.bfloat16) is not single
    assert refrozen(model, torch.float32) is single


def test_a_copy_does_not_keep_the_network() -> None:
    model = make_model("resnet18:4", 3, 16)
    refrozen(model, torch.float32)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


class Branching(nn.Module):
    """What cannot be traced: it decides by what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.convolution(x))
        return (x if x.sum() > 0 else -x).mean((2, 3))


def test_a_network_that_cannot_be_traced_is_followed_as_well() -> None:
    model = Branching()
    copy = refrozen(model, torch.float32)
    step(model)
    refrozen(model, torch.float32)
    assert torch.allclose(copy(images()), model.eval()(images()))


def test_weights_in_two_places_are_not_folded() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 3, 1)
            self.norms = nn.ModuleList([nn.BatchNorm2d(3), nn.BatchNorm2d(3)])

        def forward(self, x: Tensor) -> Tensor:
            for norm in self.norms:
                x = norm(self.convolution(x))
            return x.mean((2, 3))

    model = Twice()
    step(model)
    with torch.no_grad():
        assert torch.allclose(frozen(model, torch.float32)(images()), model.eval()(images()))
