"""Augmentations as strong as in contrastive learning, in supervised training.

Wang et al., "Efficient Availability Attacks against Supervised and Contrastive Learning
Simultaneously", NeurIPS 2024, arXiv 2402.04010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from unlearnable.augment import contrastive
from unlearnable.hooks import Countermeasure, Moment
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class Contrastive(Countermeasure):
    """Random resized crop, flip, colour jitter and greyscale, all the stronger with one number.

    At strength s a crop has from 1 − 0.9 s of the area; jitter, with a chance of 0.8 s, is of
    0.4 s, of hue a quarter of that; and an image is grey with a chance of 0.2 s.

    Example:
        >>> Contrastive().hooks
        frozenset({'batch'})
    """

    source: ClassVar[str] = "Wang et al., NeurIPS 2024"
    called: ClassVar[str] = "contrastive-strength augmentation"

    strength: float = setting(0.6, "of all, 1 being that of SimCLR", above=0, most=1)

    def __post_init__(self) -> None:
        check(self)

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """Augmented, each image by its own draws."""
        return contrastive(x * 255, 100 * self.strength, moment.generator) / 255, y
