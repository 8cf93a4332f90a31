"""Targeted adversarial poisoning: Fowl et al., "Adversarial Examples Make Strong Poisons".

NeurIPS 2021, arXiv 2106.10807. Each image is made an adversarial example that a network trained on
clean images takes for the next class: what a model then learns of a class is how another looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from unlearnable.methods.clean_trained import CleanTrained
from unlearnable.methods.surrogate import Presets
from unlearnable.noise import Budget, Norm
from unlearnable.settings import setting


@dataclass(frozen=True)
class TargetedPoisons(CleanTrained):
    """Targeted adversarial poisoning (Fowl et al., NeurIPS 2021), ε 8.

    Cost: the surrogate's training on clean images, 15 epochs, and 50 steps an image. The quick
    settings take 50 larger steps from one start in place of 250 from each of eight.

    Example:
        >>> TargetedPoisons(preset="paper").restarts
        8
    """

    published: ClassVar[Budget] = Budget("linf", 8)
    norms: ClassVar[tuple[Norm, ...]] = ("linf",)
    source: ClassVar[str] = "Fowl et al., NeurIPS 2021"
    PRESETS: ClassVar[Presets] = {
        "quick": {
            "epochs": 15,
            "trained_through": "crop:4 flip",
            "step": 0.15,
            "steps": 50,
            "restarts": 1,
            "augmentations": "crop:4 flip",
        },
        "paper": {
            "epochs": 100,
            "trained_through": "crop:4 flip",
            "step": 0.05,
            "steps": 250,
            "restarts": 8,
            "augmentations": "crop:4 flip",
        },
    }

    target: Literal["next", "none"] = setting(
        "next", "what an image is to be taken for: the next class, or any but its own"
    )

    @property
    def away(self) -> bool:
        """Whether it only leads images away from their own class."""
        return self.target == "none"

    def aims(self, labels: Tensor, classes: int) -> Tensor:
        """The next class, or the image's own to lead away from."""
        return labels if self.away else (labels + 1) % classes
