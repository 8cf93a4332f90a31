"""The one projected-gradient loop: signed steps on a change to images, kept in an L∞ budget.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", 2018; run downhill
it is the inner minimisation of Huang et al., "Unlearnable Examples", 2021. Images are uint8 and
changes are in levels of 255; only networks see [0, 1].
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


def signs(objective: Objective, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Sign of each loss's gradient with respect to its image, like `x`; and the losses (n,)."""
    leaf = x.detach().requires_grad_(True)
    losses = objective(leaf, rows)
    (gradient,) = torch.autograd.grad(losses.sum(), leaf)
    return gradient.sign_(), losses.detach()


@dataclass(frozen=True)
class Swept:
    """What a sweep leaves behind.

    Attributes:
        rows: the images that did not converge, by row.
        image_steps: how many signed steps were taken, over all images.
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
    rows: Tensor | None = None,
    leave: float | None = None,
    room: Callable[[Tensor], Tensor] | None = None,
    tell: Callable[[float], None] = lambda done: None,
) -> Swept:
    """Improve `delta` in place by signed steps against `objective`, over all images or some.

    Args:
        objective: the loss of each image, to be minimised.
        images: uint8, (N, C, H, W).
        delta: levels, (N, C, H, W); every image plus its delta stays in 0..255.
        epsilon: bound of delta, in levels.
        size: length of a step in levels; negative steps maximise.
        steps: the most steps an image takes.
        batch_size: images to a gradient.
        dtype: what the network computes in.
        rows: the images to work on, (n,); by default all.
        leave: an image whose loss is below this takes no further step: it has converged. The
            images that go on are gathered into full batches, so none is computed in vain.
        room: from rows to the share of the budget that each pixel may use, 0 to 1, broadcastable
            to (n, 1, H, W); None: all of it.
        tell: called with the share of the sweep that is done.
    """
    if rows is None:
        rows = torch.arange(len(images), device=images.device)
    image_steps = 0
    for step in range(steps):
        batches, losses = torch.split(rows, batch_size), []
        for place, batch in enumerate(batches, start=1):
            x, old = images[batch], delta[batch].float()
            sign, loss = signs(objective, seen(x, old, dtype), batch)
            if room is None:
                new = (old - size * sign).clamp_(-epsilon, epsilon)
            else:
                share = room(batch)
                most = epsilon * share
                new = (old - share * (size * sign)).clamp_(-most, most)
            delta[batch] = (x + new).clamp_(0, FULL).sub_(x).to(delta.dtype)
            losses.append(loss)
            tell((step + place / len(batches)) / steps)
        image_steps += len(rows)
        if leave is not None:
            rows = rows[~(torch.cat(losses) < leave)]  # a loss that is no number has not converged
            if len(rows) == 0:
                break
    return Swept(rows, image_steps)
