"""Projected gradients: steps on a change to images, kept in an L∞ or L2 ball.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", 2018. `sweep` changes
a whole data set for good; run downhill it is the inner minimisation of Huang et al., "Unlearnable
Examples", 2021. Its images are uint8 and its changes are in levels of 255; only networks see
[0, 1]. `attack` finds the worst near some images for the moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FULL = 255

Objective = Callable[[Tensor, Tensor], Tensor]
"""From images (n, C, H, W) in [0, 1] and their rows (n,) to the loss of each, (n,)."""


def seen(images: Tensor, delta: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """What a network is shown: images (uint8) plus delta (levels), clamped, in [0, 1]."""
    return (images.float() + delta).clamp_(0, FULL).div_(FULL).to(dtype)


class Linf:
    """Changes of at most a radius in each number."""

    @staticmethod
    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Changes from all over the ball of radius 1."""
        return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1

    @staticmethod
    def steepest(gradient: Tensor) -> Tensor:
        """The change of radius 1 that gains most."""
        return gradient.sign()

    @staticmethod
    def keep(change: Tensor, radius: float) -> Tensor:
        """The nearest change in the ball."""
        return change.clamp(-radius, radius)


class L2:
    """Changes of Euclidean length at most a radius."""

    @staticmethod
    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Changes from all over the ball of radius 1."""
        device = generator.device
        direction = torch.randn(shape, generator=generator, device=device)
        share = torch.rand(shape[0], 1, 1, 1, generator=generator, device=device)
        return L2.steepest(direction) * share ** (1 / shape[1:].numel())

    @staticmethod
    def steepest(gradient: Tensor) -> Tensor:
        """The change of radius 1 that gains most."""
        gradient = gradient.float()
        return gradient / _length(gradient).clamp_min(1e-12)

    @staticmethod
    def keep(change: Tensor, radius: float) -> Tensor:
        """The nearest change in the ball."""
        return change / (_length(change) / radius).clamp_min(1)


def _length(change: Tensor) -> Tensor:
    return change.square().sum((1, 2, 3), keepdim=True).sqrt()


Ball = type[Linf] | type[L2]
BALLS: dict[str, Ball] = {"linf": Linf, "l2": L2}
"""By the norm."""


def steepest(
    objective: Objective, x: Tensor, rows: Tensor, ball: Ball = Linf
) -> tuple[Tensor, Tensor]:
    """The change of radius 1 that raises each loss most, like `x`; and the losses (n,)."""
    leaf = x.detach().requires_grad_(True)
    losses = objective(leaf, rows)
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    return ball.steepest(gradient), losses.detach()


def attack(
    losses: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    radius: float,
    step: float,
    steps: int,
    generator: torch.Generator,
    ball: Ball = Linf,
) -> Tensor:
    """Images in the ball around those of x, and in [0, 1], whose losses are high.

    Args:
        losses: from images to the loss of each, (n,), to be brought up.
        x: images in [0, 1], (n, C, H, W).
        radius: of the ball, in units of [0, 1].
        step: length of a step, in units of the radius.
        steps: how many.
        generator: for the start, anywhere in the ball.
        ball: its norm.
    """
    change = ball.draw(x.shape, generator).to(x.device)
    for _ in range(steps):
        worst = (x + radius * change).clamp(0, 1)
        uphill, _ = steepest(lambda images, rows: losses(images), worst, worst, ball)
        change = ball.keep((worst - x) / radius + step * uphill, 1)
    return (x + radius * change).clamp(0, 1)


@dataclass(frozen=True)
class Swept:
    """What a sweep leaves behind.

    Attributes:
        rows: the images that did not converge, by row.
        image_steps: how many steps were taken, over all images.
    """

    rows: Tensor
    image_steps: int


def sweep(
    objective: Objective,
    images: Tensor,
    delta: Tensor,
    *,
    epsilon: float,
    size: float,
    steps: int,
    batch_size: int,
    dtype: torch.dtype,
    ball: Ball = Linf,
    rows: Tensor | None = None,
    leave: float | None = None,
    room: Callable[[Tensor], Tensor] | None = None,
    tell: Callable[[float], None] = lambda done: None,
) -> Swept:
    """Improve `delta` in place by steps against `objective`, signed in L∞, over all images or some.

    Args:
        objective: the loss of each image, to be minimised.
        images: uint8, (N, C, H, W).
        delta: levels, (N, C, H, W); every image plus its delta stays in 0..255.
        epsilon: bound of delta, in levels.
        size: length of a step in levels; negative steps maximise.
        steps: the most steps an image takes.
        batch_size: images to a gradient.
        dtype: what the network computes in.
        ball: the norm of delta and of steps.
        rows: the images to work on, (n,); by default all.
        leave: an image whose loss is below this takes no further step: it has converged. The
            images that go on are gathered into full batches, so none is computed in vain.
        room: from rows to the share of the budget that each pixel may use, 0 to 1, broadcastable
            to (n, 1, H, W); None: all of it. In L∞ only.
        tell: called with the share of the sweep that is done.
    """
    if rows is None:
        rows = torch.arange(len(images), device=images.device)
    image_steps = 0
    for step in range(steps):
        batches, losses = torch.split(rows, batch_size), []
        for place, batch in enumerate(batches, start=1):
            x, old = images[batch], delta[batch].float()
            uphill, loss = steepest(objective, seen(x, old, dtype), batch, ball)
            if room is None:
                new = ball.keep(old - size * uphill, epsilon)
            else:
                share = room(batch)
                most = epsilon * share
                new = (old - share * (size * uphill)).clamp_(-most, most)
            delta[batch] = (x + new).clamp_(0, FULL).sub_(x).to(delta.dtype)
            losses.append(loss)
            tell((step + place / len(batches)) / steps)
        image_steps += len(rows)
        if leave is not None:
            rows = rows[~(torch.cat(losses) < leave)]  # a loss that is no number has not converged
            if len(rows) == 0:
                break
    return Swept(rows, image_steps)
