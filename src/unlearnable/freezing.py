"""Copies of a network for inference and input gradients, as few passes over memory as may be.

Batch norm is folded into the convolutions, on a GPU ReLU too; parameters have no gradients.
"""

from __future__ import annotations

import copy
from collections import Counter
from weakref import WeakKeyDictionary

import torch
from torch import fx, nn
from torch.fx.proxy import TraceError
from torch.nn.utils.fusion import fuse_conv_bn_weights

from unlearnable.fusing import ConvReLU, EverySecond, fuse_relu, fuse_stride


def frozen(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of a network as it is now.

    Args:
        model: any network; it is left as it is.
        dtype: the type of the copy's weights; feed it images of the same type.
    """
    return _Copy(model, dtype).network


def refrozen(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The same, for a network in training: a copy that the next call brings up to date.

    Making one takes as long as several steps of a small network, and this makes it only once.
    """
    copies = _COPIES.setdefault(model, {})
    kind = dtype, next(model.parameters()).device
    if kind in copies:
        copies[kind].follow(model)
    else:
        copies[kind] = _Copy(model, dtype)
    return copies[kind].network


class _Tracer(fx.Tracer):
    """Takes as one piece what `fuse_stride` looks for, too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, EverySecond) or super().is_leaf_module(m, module_qualified_name)


class _Copy:
    """A frozen copy, and where its weights come from.

    Attributes:
        network: the copy.
        tensors: its parameters and buffers, by the names that they have in the original.
        folded: of each convolution that has taken in a batch norm the name, and that batch norm's.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        network = copy.deepcopy(model).eval()  # what a network does in training is not traced
        try:
            network = fx.GraphModule(network, _Tracer().trace(network))
            self.folded = _fold(network)
        except TraceError:
            self.folded = []
        self.network = network.to(dtype).to(memory_format=torch.channels_last)
        self.tensors = network.state_dict()
        if isinstance(network, fx.GraphModule) and next(model.parameters()).is_cuda:
            fuse_stride(network)
            fuse_relu(network)
        network.eval().requires_grad_(False)
        self.follow(model)

    @torch.no_grad()
    def follow(self, model: nn.Module) -> None:
        """Take over the weights that the original has now."""
        parts, state = dict(model.named_modules()), dict(model.state_dict())
        for name, norm_name in self.folded:
            convolution, norm = parts[name], parts[norm_name]
            state[f"{name}.weight"], state[f"{name}.bias"] = fuse_conv_bn_weights(
                convolution.weight,
                convolution.bias,
                norm.running_mean,
                norm.running_var,
                norm.eps,
                norm.weight,
                norm.bias,
            )
        torch._foreach_copy_(list(self.tensors.values()), [state[name] for name in self.tensors])
        for part in self.network.modules():
            if isinstance(part, ConvReLU):
                part.add_up()


_COPIES: WeakKeyDictionary[nn.Module, dict[tuple[torch.dtype, torch.device], _Copy]] = (
    WeakKeyDictionary()
)


def _fold(network: fx.GraphModule) -> list[tuple[str, str]]:
    """Take out each batch norm that alone sees a convolution's result; gives the pairs' names."""
    parts, pairs = dict(network.named_modules()), []
    uses = Counter(node.target for node in network.graph.nodes)
    for node in list(network.graph.nodes):
        norm = parts.get(str(node.target)) if node.op == "call_module" else None
        if type(norm) is not nn.BatchNorm2d or norm.running_mean is None:
            continue
        before = node.all_input_nodes[0]
        convolution = parts.get(str(before.target)) if before.op == "call_module" else None
        if type(convolution) is not nn.Conv2d or len(before.users) > 1:
            continue
        if uses[before.target] > 1 or uses[node.target] > 1:  # weights in two places
            continue
        if convolution.bias is None:
            zeros = torch.zeros(convolution.out_channels, device=convolution.weight.device)
            convolution.bias = nn.Parameter(zeros, requires_grad=False)
        node.replace_all_uses_with(before)
        network.graph.erase_node(node)
        pairs.append((str(before.target), str(node.target)))
    network.delete_all_unused_submodules()
    network.recompile()
    return pairs
