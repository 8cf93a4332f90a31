"""How a surrogate sees images: through augmentations and ways to a trainer, or as they are."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from unlearnable.augment import augment
from unlearnable.methods.ways import through
from unlearnable.pgd import FULL, Objective
from unlearnable.runtime import Run

View = Callable[[Tensor], Tensor]
"""From images (n, C, H, W) in [0, 1] to what a network is shown of them, differentiable."""


def as_it_is(x: Tensor) -> Tensor:
    """Images as they are."""
    return x


def view_of(
    run: Run, *purpose: object, augmentations: str | None = None, survive: str = ""
) -> View:
    """What is made of images on their way to a network, with draws for a purpose."""
    ways, names = survive.split(), (augmentations or "").split()
    draws = run.generator("view", *purpose)

    def view(x: Tensor) -> Tensor:
        x = through(x, ways, draws) if ways else x
        return (augment(x * FULL, names, draws) / FULL).to(x.dtype) if names else x

    return view


def read_by(model: nn.Module, view: View = as_it_is) -> Objective:
    """The loss of a frozen model that sees images through `view`, which may draw at each step."""

    def objective(x: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(model(view(x)).float(), labels, reduction="none")

    return objective
