"""Hypocritical perturbations: Tao et al., NeurIPS 2021, arXiv 2102.04716.

"Better Safe Than Sorry: Preventing Delusive Adversaries with Adversarial Training". Each image is
made to look even more like its own class to a network trained on clean images: what that network
goes by need no longer be learnt from the picture.
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
class HypocriticalNoise(CleanTrained):
    """Hypocritical perturbations (Tao et al., NeurIPS 2021), published at L2 0.5 of [0, 1].

    That is 127.5 levels for images of 32×32; later work has them at L∞ 8, which is far more.
    Cost: the surrogate's training on clean images, 15 epochs, and 20 steps an image. The quick
    settings take 20 steps in place of 100; the published surrogate is a VGG-16.

    Example:
        >>> HypocriticalNoise(preset="paper").steps
        100
    """

    published: ClassVar[Budget] = Budget("l2", 127.5)
    norms: ClassVar[tuple[Norm, ...]] = ("linf", "l2")
    source: ClassVar[str] = "Tao et al., NeurIPS 2021"
    PRESETS: ClassVar[Presets] = {
        "quick": {
            "epochs": 15,
            "trained_through": "crop:4 flip",
            "step": 0.2,
            "steps": 20,
            "restarts": 1,
            "augmentations": "",
        },
        "paper": {
            "epochs": 100,
            "trained_through": "crop:4 flip",
            "step": 0.2,
            "steps": 100,
            "restarts": 1,
            "augmentations": "",
        },
    }

    start: Literal["zero", "random"] = setting("zero", "the noise before the first step")

    def aims(self, labels: Tensor, classes: int) -> Tensor:
        """Its own."""
        return labels
