"""Four blurs, as in Huang et al., 2021 and Fu et al., "Robust Unlearnable Examples", ICLR 2022.

A widely copied "Gaussian" of σ 0.1 on 3×3 pixels is the identity; these all take high frequencies
away. Beyond its edge an image is continued by its mirror image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as tv
from torch import Tensor

from unlearnable.countermeasures.stored import changed
from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.settings import check, setting

Side = Literal[3, 5, 7, 9]


@dataclass(frozen=True)
class GaussianBlur(Countermeasure):
    """Each pixel a mean weighted by a Gaussian, out to three σ.

    Example:
        >>> GaussianBlur().sigma
        1.0
    """

    source: ClassVar[str] = "Fu et al., ICLR 2022"
    called: ClassVar[str] = "Gaussian blur"

    sigma: float = setting(1.0, "in pixels", least=0.4, most=10)

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Blurred."""
        reach = min(math.ceil(3 * self.sigma), min(train.size) - 1)
        kernel = [2 * reach + 1] * 2
        return changed(train, lambda x: tv.gaussian_blur(x, kernel, [self.sigma]), run)


@dataclass(frozen=True)
class MeanBlur(Countermeasure):
    """Each pixel the mean of a square about it.

    Example:
        >>> MeanBlur(5).side
        5
    """

    source: ClassVar[str] = "Fu et al., ICLR 2022"
    called: ClassVar[str] = "mean filtering"

    side: Side = setting(3, "of the square, in pixels")

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Blurred."""
        return changed(train, lambda x: F.avg_pool2d(_wider(x, self.side), self.side, 1), run)


@dataclass(frozen=True)
class MedianBlur(Countermeasure):
    """Each pixel and channel the median of a square about it.

    Example:
        >>> MedianBlur().side
        3
    """

    source: ClassVar[str] = "Fu et al., ICLR 2022"
    called: ClassVar[str] = "median filtering"

    side: Side = setting(3, "of the square, in pixels")

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Blurred."""
        return changed(train, lambda x: torch.stack([*_shifts(x, self.side)]).median(0)[0], run)


@dataclass(frozen=True)
class BilateralBlur(Countermeasure):
    """A mean that keeps edges: weights fall with distance and with the difference in colour.

    Tomasi and Manduchi, "Bilateral filtering for gray and color images", ICCV 1998. As in OpenCV,
    pixels within a circle count, and their difference is that of all channels together.

    Example:
        >>> BilateralBlur().side
        9
    """

    source: ClassVar[str] = "Fu et al., ICLR 2022"
    called: ClassVar[str] = "bilateral filtering"

    side: Side = setting(9, "across the circle, in pixels")
    color: float = setting(75.0, "σ of the difference in colour, in levels", above=0)
    space: float = setting(75.0, "σ of the distance, in pixels", above=0)

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Blurred."""
        return changed(train, self._blurred, run)

    def _blurred(self, x: Tensor) -> Tensor:
        total, weights = torch.zeros_like(x), torch.zeros_like(x[:, :1])
        reach = self.side // 2
        for place, neighbour in enumerate(_shifts(x, self.side)):
            distance = math.hypot(place // self.side - reach, place % self.side - reach)
            if distance > reach:
                continue
            difference = (neighbour - x).abs().sum(1, keepdim=True)
            exponent = (difference / self.color).square() + (distance / self.space) ** 2
            weight = (-exponent / 2).exp()
            total += weight * neighbour
            weights += weight
        return total / weights


def _shifts(x: Tensor, side: int) -> Iterator[Tensor]:
    """Images (n, C, H, W), shifted to every place of a square in turn."""
    wide = _wider(x, side)
    for top in range(side):
        for left in range(side):
            yield wide[:, :, top : top + x.shape[2], left : left + x.shape[3]]


def _wider(x: Tensor, side: int) -> Tensor:
    """Continued by its mirror image, so far that a square about each pixel lies inside."""
    return F.pad(x, (side // 2,) * 4, mode="reflect")
