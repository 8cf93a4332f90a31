from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.fx import GraphModule, symbolic_trace

from unlearnable.freezing import frozen
from unlearnable.fusing import ConvReLU, fuse_relu, fuse_stride
from unlearnable.models import make_model


def network(name: str) -> nn.Module:
    """A network whose batch norm is not as it was made."""
    model = make_model(name, 10, 32)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            nn.init.normal_(part.bias)
    return model


def traced(model: nn.Module) -> GraphModule:
    copy = frozen(model, torch.float32)
    assert isinstance(copy, GraphModule)
    return copy


def gradient(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Logits and the gradient of images of an odd size, which a stride must round up."""
    x = torch.rand(3, 3, 31, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    logits = model(x)
    return logits.detach(), torch.autograd.grad(logits.logsumexp(1).sum(), x)[0]


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("resnet18:8", 17),
        ("resnet50:4", 49),
        ("vgg11:8", 8),
        ("resnet26d", 19),
        ("densenet121:8", 0),
    ],
)
def test_what_is_fused_gives_the_same_logits_and_gradients(name: str, pairs: int) -> None:
    model = network(name)
    plain, fused = traced(model), traced(model)
    fuse_stride(fused)
    assert fuse_relu(fused) == pairs
    assert sum(isinstance(part, ConvReLU) for part in fused.modules()) == pairs
    for found, expected in zip(gradient(fused), gradient(plain), strict=True):
        assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_residual_network_keeps_no_relu_no_sum_and_no_pooling_of_one_pixel() -> None:
    fused = traced(network("resnet18:8"))
    fuse_stride(fused)
    fuse_relu(fused)
    targets = [node.target for node in fused.graph.nodes]
    assert F.avg_pool2d not in targets
    assert not any("add" in str(target) for target in targets)
    called = [fused.get_submodule(n.target) for n in fused.graph.nodes if n.op == "call_module"]
    assert not any(isinstance(part, nn.ReLU) for part in called)


class Branching(nn.Module):
    """A convolution whose result is used twice, and one that pads by reflection."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, padding=1)
        self.two = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.one(x)
        return self.relu(self.two(self.relu(y))) + y


def test_what_another_needs_or_pads_in_its_own_way_stays() -> None:
    model = Branching().requires_grad_(False)
    copy = symbolic_trace(model)
    assert fuse_relu(copy) == 0
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(copy(x), model(x))


def test_a_bias_of_several_is_added_up_anew() -> None:
    first, other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
    biases = first.bias, other.bias
    fused = ConvReLU(first, other)
    assert other.bias is None
    for bias in biases:
        nn.init.normal_(bias)
    fused.add_up()
    assert torch.equal(fused.bias, biases[0] + biases[1])
