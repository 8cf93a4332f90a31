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
from unlearnable.pgd import FULL
from unlearnable.settings import check, setting

Losses = Callable[[Tensor], Tensor]
"""From images (n, C, H, W) in [0, 1] to the loss of each, (n,)."""


class Linf:
    """Changes of at most 1 in each number."""

    @staticmethod
    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Changes from all over the ball."""
        return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1

    @staticmethod
    def steepest(gradient: Tensor) -> Tensor:
        """The change that gains most."""
        return gradient.sign()

    @staticmethod
    def keep(change: Tensor) -> Tensor:
        """The nearest change in the ball."""
        return change.clamp(-1, 1)


class L2:
    """Changes of Euclidean length at most 1."""

    @staticmethod
    def draw(shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Changes from all over the ball."""
        device = generator.device
        direction = torch.randn(shape, generator=generator, device=device)
        share = torch.rand(shape[0], 1, 1, 1, generator=generator, device=device)
        return L2.steepest(direction) * share ** (1 / shape[1:].numel())

    @staticmethod
    def steepest(gradient: Tensor) -> Tensor:
        """The change that gains most."""
        return gradient / _length(gradient).clamp_min(1e-12)

    @staticmethod
    def keep(change: Tensor) -> Tensor:
        """The nearest change in the ball."""
        return change / _length(change).clamp_min(1)


def _length(change: Tensor) -> Tensor:
    return change.square().sum((1, 2, 3), keepdim=True).sqrt()


BALLS: dict[str, type[Linf] | type[L2]] = {"linf": Linf, "l2": L2}


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

    def attack(self, losses: Losses, x: Tensor, generator: torch.Generator) -> Tensor:
        """Images in the ball around those of x, and in [0, 1], whose losses are high.

        Args:
            losses: what to bring up.
            x: images in [0, 1], (n, C, H, W).
            generator: for the start, anywhere in the ball.
        """
        ball, radius = BALLS[self.norm], self.radius / FULL
        change = ball.draw(x.shape, generator).to(x.device)
        for _ in range(self.steps):
            worst = (x + radius * change).clamp(0, 1).requires_grad_(True)
            (gradient,) = torch.autograd.grad(losses(worst).sum(), worst)
            change = (worst.detach() - x) / radius
            change = ball.keep(change + self.step * ball.steepest(gradient))
        return (x + radius * change).clamp(0, 1)
