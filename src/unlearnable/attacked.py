"""The adversarial loss: a training on the worst image near each of its images.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018, arXiv
1706.06083. A trainer uses it as a countermeasure, and a noise method for robust surrogates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from unlearnable.freezing import refrozen
from unlearnable.hooks import Countermeasure, Criterion, Moment
from unlearnable.pgd import BALLS, FULL, attack


@dataclass(frozen=True)
class UnderAttack(Countermeasure):
    """Each step on images that a projected-gradient attack on the network of that step has found.

    Attributes:
        radius: of the ball, in levels of 255.
        steps: of an attack.
        step: length of a step, in units of the radius.
        norm: of the ball.

    Example:
        >>> UnderAttack(4).hooks
        frozenset({'loss'})
    """

    radius: float
    steps: int = 1
    step: float = 1.0
    norm: Literal["linf", "l2"] = "linf"

    def loss(
        self, model: nn.Module, x: Tensor, y: Tensor, *, criterion: Criterion, moment: Moment
    ) -> Tensor:
        """The loss of attacked images; the network is attacked in eval mode."""
        dtype = moment.run.dtype
        target = refrozen(model, dtype)

        def losses(x: Tensor) -> Tensor:
            return criterion(target(x.to(dtype)).float(), y)

        worst = self.attack(losses, x, moment.generator)
        return criterion(model(worst).float(), y).mean()

    def attack(
        self, losses: Callable[[Tensor], Tensor], x: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Images (n, C, H, W) in the ball around those of x, in [0, 1], whose losses are high."""
        return attack(
            losses,
            x,
            radius=self.radius / FULL,
            step=self.step,
            steps=self.steps,
            generator=generator,
            ball=BALLS[self.norm],
        )
