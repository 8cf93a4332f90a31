"""Augmentations as strong as in contrastive learning, in supervised training.

Wang et al., "Efficient Availability Attacks against Supervised and Contrastive Learning
Simultaneously", NeurIPS 2024, arXiv 2402.04010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torchvision.transforms.v2.functional as tv
from torch import Tensor

from unlearnable.augment import flip, jitter, resized_crop
from unlearnable.hooks import Countermeasure, Moment
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class Contrastive(Countermeasure):
    """Random resized crop, flip, colour jitter and greyscale, all the stronger with one number.

    At strength s a crop has from 1 − 0.9 s of the area; jitter, with a chance of 0.8 s, is of
    0.4 s; and an image is grey with a chance of 0.2 s. Hue turns by up to half the jitter, as
    everywhere here, and not by the published quarter.

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
        s, draws = self.strength, moment.generator
        x = resized_crop(x * 255, 100 - 90 * s, draws)
        x = flip(x, 50, draws)
        x = torch.where(_chosen(x, 0.8 * s, draws), jitter(x, 40 * s, draws), x)
        gray = tv.rgb_to_grayscale(x, num_output_channels=x.shape[1])
        return torch.where(_chosen(x, 0.2 * s, draws), gray, x) / 255, y


def _chosen(x: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    draws = torch.rand(len(x), 1, 1, 1, generator=generator, device=generator.device)
    return (draws < chance).to(x.device)
