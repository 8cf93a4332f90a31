"""What a frozen network's convolutions can do in the same kernel: bias, sum, ReLU and stride.

A network for input gradients is bound by memory as much as by arithmetic: each pass over an
activation that a convolution's own kernel can do on the way out is one that need not be made.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

SUMS = (operator.add, operator.iadd, torch.add)
Shape = tuple[Any, Any, Any, int]
"""A convolution's stride, padding, dilation and groups."""


class _ConvReLU(torch.autograd.Function):
    """relu(convolution of x + bias + other), with gradients of x and other alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, other: Tensor | None, *fixed: Any) -> Tensor:
        weight, bias, ctx.shape = fixed
        if other is None:
            y = torch.cudnn_convolution_relu(x, weight, bias, *ctx.shape)
        else:
            y = torch.cudnn_convolution_add_relu(x, weight, other, 1.0, bias, *ctx.shape)
        ctx.save_for_backward(x, y, weight)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, y, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.shape
        # pooling gives its gradient in another order, and all that follow would take it on
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        gradient = torch.ops.aten.threshold_backward(gradient, y, 0)
        wanted, of_other, *_ = ctx.needs_input_grad
        of_x = torch.ops.aten.convolution_backward(
            gradient, x, weight, None, stride, padding, dilation, False, [0, 0], groups,
            [wanted, False, False],
        )[0]  # fmt: skip
        return of_x, gradient if of_other else None, None, None, None


class ConvReLU(nn.Module):
    """A convolution with bias, and what may be added to it, through ReLU."""

    def __init__(self, convolution: nn.Conv2d, *others: nn.Conv2d) -> None:
        """Adds the biases of others too, which then have none: all go to one sum."""
        super().__init__()
        self.weight = convolution.weight
        self.biases = [one.bias for one in (convolution, *others) if one.bias is not None]
        self.bias = nn.Parameter(torch.zeros_like(self.biases[0]), requires_grad=False)
        self.add_up()
        for other in others:
            other.bias = None
        self.shape: Shape = (
            convolution.stride,
            convolution.padding,
            convolution.dilation,
            convolution.groups,
        )

    @torch.no_grad()
    def add_up(self) -> None:
        """Take the biases as they are now."""
        self.bias.copy_(torch.stack(self.biases).sum(0))

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        """(N, C, H, W), and what has the shape of the result."""
        if x.is_cuda:
            return _ConvReLU.apply(x, other, self.weight, self.bias, self.shape)
        y = torch.conv2d(x, self.weight, self.bias, *self.shape)
        return (y if other is None else y + other).relu()


class _EverySecond(torch.autograd.Function):
    """A slice whose gradient keeps channels last in memory, as a plain one's does not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return x[:, :, ::2, ::2].contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        full = gradient.new_empty(ctx.shape).to(memory_format=torch.channels_last).zero_()
        full[:, :, ::2, ::2] = gradient
        return full


class EverySecond(nn.Module):
    """Every second pixel of every second row: what a 1×1 convolution of stride 2 looks at.

    A stride in the convolution itself would do, but oneDNN's AVX2 kernel for its weight gradient
    writes out of bounds if there are fewer than 8 channels.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / 2, W / 2), rounded up."""
        if x.is_cuda:
            chosen: Tensor = _EverySecond.apply(x)
            return chosen
        return F.avg_pool2d(x, 1, 2)  # a mean of one pixel keeps channels last on the way back too


def fuse_relu(network: fx.GraphModule) -> int:
    """Put a `ConvReLU` in the place of each convolution and the ReLU that alone takes its result.

    Args:
        network: traced, batch norm folded, without gradients of parameters; changed in place.

    Returns:
        How many there were.
    """
    parts, count = dict(network.named_modules()), 0

    def convolution(node: fx.Node) -> nn.Conv2d | None:
        """The convolution of a node that one other alone uses."""
        part = parts.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(part, nn.Conv2d) or isinstance(part.padding, str) or len(node.users) > 1:
            return None
        return part if part.padding_mode == "zeros" and part.bias is not None else None

    for relu in list(network.graph.nodes):
        if relu.op != "call_module" or not isinstance(parts.get(relu.target), nn.ReLU):
            continue
        inputs = relu.all_input_nodes
        summed = [n for n in inputs if n.target in SUMS and len(n.users) == 1]
        if summed:
            inputs = summed[0].all_input_nodes
            if len(inputs) != 2:
                continue
        main = next((node for node in inputs if convolution(node)), None)
        if main is None:
            continue
        others = [node for node in inputs if node is not main]
        biased = [part for other in others if (part := convolution(other))]
        fused = ConvReLU(parts[main.target], *biased)
        network.set_submodule(main.target, fused)
        with network.graph.inserting_before(relu):
            node = network.graph.call_module(main.target, (*main.args, *others))
        relu.replace_all_uses_with(node)
        for gone in (relu, *summed, main):
            network.graph.erase_node(gone)
        count += 1
    network.recompile()
    return count


def fuse_stride(network: fx.GraphModule) -> None:
    """Let convolutions of one pixel that see every second one take a stride instead; in place."""
    parts = dict(network.named_modules())
    for node in list(network.graph.nodes):
        if not isinstance(parts.get(str(node.target)), EverySecond):
            continue
        for user in list(node.users):
            part = parts.get(str(user.target))
            if isinstance(part, nn.Conv2d) and part.kernel_size == part.stride == (1, 1):
                part.stride = (2, 2)
                user.args = node.args[:1]
        if not node.users:
            network.graph.erase_node(node)
    network.recompile()
