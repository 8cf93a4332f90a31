"""Uniform noise of the trainer's own: Huang et al., ICLR 2021, appendix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unlearnable.countermeasures.stored import changed
from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class Uniform(Countermeasure):
    """Each training image with uniform noise on top, drawn once.

    Example:
        >>> Uniform().size
        8
    """

    source: ClassVar[str] = "Huang et al., ICLR 2021"
    called: ClassVar[str] = "uniform noise of {size} levels on top"

    size: int = setting(8, "largest change, in levels of 255", least=1, most=255)

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Between −size and size is added to every pixel, channel by channel."""
        generator = run.generator("uniform")

        def noisy(x: Tensor) -> Tensor:
            draws = torch.rand(x.shape, generator=generator, device=x.device)
            return x + self.size * (2 * draws - 1)

        return changed(train, noisy, run)
