"""Adversarial training: a network learns from the worst image near each training image.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018, arXiv
1706.06083. Noise inside the ball loses its use: the attack can undo it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from unlearnable.freezing import refrozen
from unlearnable.hooks import Countermeasure, Criterion, Moment
from unlearnable.pgd import BALLS, FULL, attack
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class AdversarialTraining(Countermeasure):
    """Each step on images that a projected-gradient attack on the network of that step has found.

    Example:
        >>> AdversarialTraining(4).hooks
        frozenset({'loss'})
    """

    source: ClassVar[str] = "Madry et al., ICLR 2018"
    called: ClassVar[str] = "adversarial training at radius {radius:g}"

    radius: int = setting(
        8, "of the ball, in levels of 255; l2: of the length, where 128 is 0.5 in [0, 1]", least=1
    )
    steps: int = setting(10, "of an attack", least=1)
    step: float = setting(0.25, "length of a step, in units of the radius", above=0)
    norm: Literal["linf", "l2"] = setting("linf", "the norm of the ball")

    def __post_init__(self) -> None:
        check(self)

    @property
    def cost(self) -> float:
        """Each step is one forward and backward pass, without gradients of weights."""
        return 1 + 0.55 * self.steps

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
