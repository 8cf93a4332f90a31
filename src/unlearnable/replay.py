"""A computation on the GPU recorded once and replayed, at the cost of a single start."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3


class Replay:
    """A function of two tensors, as a CUDA graph.

    A step of training is hundreds of small kernels, and the host takes longer to start them than
    the GPU to run them. The first few calls run as they are, the next is recorded; from there on
    what it did is done again to the tensors given. Calls with tensors of other shapes run as they
    are. The function must not wait for the device, nor decide anything by what is in the tensors.
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = function
        self.calls = 0
        self.inputs: tuple[Tensor, Tensor] | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.result = torch.empty(0)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """What the function gives, to be read before the next call."""
        if self.inputs is None:
            self.inputs = x.clone(), y.clone()
        static_x, static_y = self.inputs
        if (x.shape, y.shape, y.dtype) != (static_x.shape, static_y.shape, static_y.dtype):
            return self.function(x, y)
        static_x.copy_(x)
        static_y.copy_(y)
        with torch.cuda.device(x.device):
            if self.calls < WARM_UP:
                self.calls += 1
                return self._aside()
            if self.graph is None:
                self.graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self.graph):
                    self.result = self.function(*self.inputs)
            self.graph.replay()
        return self.result

    def _aside(self) -> Tensor:
        """Run as it is, on a stream of its own, as what is to be recorded must be at first."""
        assert self.inputs is not None
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = self.function(*self.inputs)
        torch.cuda.current_stream().wait_stream(stream)
        return result
