"""The published search for sample-wise error-minimizing noise, as plainly as one writes it.

Float32, eager, batch 128, T steps on every image in every round (PAPER: Huang et al. 2021, §3.2).
Gradients are taken with respect to images alone. This is the yardstick of `search.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearnable.models import make_model

BATCH, TRAIN_BATCH, M, T, EPSILON, STEP = 128, 512, 10, 20, 8 / 255, 0.8 / 255


def input_gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The bare thing: one gradient of the loss with respect to a batch of images."""
    x = x.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(x), y), x)
    return gradient


@dataclass
class Textbook:
    """The loop's state: images (N, 3, H, W) in [0, 1], labels, noise and surrogate."""

    x: Tensor
    y: Tensor
    surrogate: str = "resnet18:16"
    seed: int = 0
    delta: Tensor = field(init=False)
    model: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        self.delta = torch.zeros_like(self.x)
        self.model = make_model(
            self.surrogate, int(self.y.max()) + 1, self.x.shape[2], seed=self.seed
        )
        self.model.to(self.x.device)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4
        )
        self.order = self._batches()

    def _batches(self) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        while True:
            yield from torch.randperm(len(self.x), generator=generator).split(TRAIN_BATCH)

    def train(self) -> None:
        """M batches of SGD on the images with their noise."""
        self.model.train().requires_grad_(True)
        for _ in range(M):
            rows = next(self.order)
            x = (self.x[rows] + self.delta[rows]).clamp(0, 1)
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(x), self.y[rows]).backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimizer.step()

    def sweep(self, some: Tensor | None = None) -> None:
        """T steps on some images by row, or on all."""
        self.model.eval().requires_grad_(False)
        for rows in (torch.arange(len(self.x)) if some is None else some).split(BATCH):
            x, y, delta = self.x[rows], self.y[rows], self.delta[rows]
            for _ in range(T):
                gradient = input_gradient(self.model, x + delta, y)
                delta = (delta - STEP * gradient.sign()).clamp(-EPSILON, EPSILON)
                delta = (x + delta).clamp(0, 1) - x
            self.delta[rows] = delta

    @torch.no_grad()
    def error(self) -> float:
        """The share of images, with their noise, that the surrogate gets wrong."""
        self.model.eval()
        wrong = 0
        for rows in torch.arange(len(self.x)).split(BATCH):
            found = self.model((self.x[rows] + self.delta[rows]).clamp(0, 1)).argmax(1)
            wrong += int((found != self.y[rows]).sum())
        return wrong / len(self.x)

    def rates(self, count: int) -> tuple[float, float]:
        """Image-steps a second of a sweep on `count` images, and of bare gradients on the same.

        The two are timed batch by batch, by turns, so that a busy machine is as busy for both.
        """
        self.model.eval().requires_grad_(False)
        swept = bare = 0.0
        for rows in torch.arange(count).split(BATCH):
            started = time.perf_counter()
            self.sweep(rows)
            between = time.perf_counter()
            x, y = self.x[rows], self.y[rows]
            for _ in range(T):
                input_gradient(self.model, x, y)
            swept += between - started
            bare += time.perf_counter() - between
        return count * T / swept, count * T / bare

    def search(self, stop_error: float = 0.01, most: int = 30) -> list[float]:
        """Rounds until the error is at most λ; the error after each."""
        errors: list[float] = []
        while len(errors) < most and (not errors or errors[-1] > stop_error):
            self.train()
            self.sweep()
            errors.append(self.error())
            print(f"textbook round {len(errors)}: error {errors[-1]:.4f}", flush=True)
        return errors
