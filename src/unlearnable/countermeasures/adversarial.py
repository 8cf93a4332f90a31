"""Adversarial training: a network learns from the worst image near each training image.

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018, arXiv
1706.06083. Noise inside the ball loses its use: the attack can undo it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from unlearnable.attacked import UnderAttack
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class AdversarialTraining(UnderAttack):
    """Each step on images that a projected-gradient attack on the network of that step has found.

    Example:
        >>> AdversarialTraining(4).words
        'adversarial training at radius 4'
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
