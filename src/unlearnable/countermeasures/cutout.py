"""Cutout: DeVries and Taylor, "Improved Regularization of CNNs with Cutout", arXiv 1708.04552."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unlearnable.hooks import Countermeasure, Moment
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class Cutout(Countermeasure):
    """A black square somewhere in each image of a batch; it may reach over the edge.

    Example:
        >>> Cutout(8).hooks
        frozenset({'batch'})
    """

    source: ClassVar[str] = "DeVries and Taylor, 2017"
    called: ClassVar[str] = "cutout"

    side: int = setting(16, "of the square, in pixels", least=1)

    def __post_init__(self) -> None:
        check(self)

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """One square an image, its centre anywhere in it."""
        count, _, height, width = x.shape
        down = self._inside(height, count, moment)
        across = self._inside(width, count, moment)
        hole = down.view(count, 1, height, 1) & across.view(count, 1, 1, width)
        return x.masked_fill(hole, 0), y

    def _inside(self, length: int, count: int, moment: Moment) -> Tensor:
        """Which places of each image's axis its square covers, (count, length)."""
        draws, device = moment.generator, moment.generator.device
        centre = torch.randint(length, (count, 1), generator=draws, device=device)
        first = centre - self.side // 2
        place = torch.arange(length, device=device)
        return (place >= first) & (place < first + self.side)
