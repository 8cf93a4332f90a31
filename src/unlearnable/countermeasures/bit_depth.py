"""Reduced bit depth: Liu et al., "Image Shortcut Squeezing", ICML 2023, arXiv 2301.13838."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class BitDepth(Countermeasure):
    """Each training image with fewer levels a channel: those of Pillow's `posterize`.

    Example:
        >>> BitDepth().bits
        2
    """

    source: ClassVar[str] = "Liu et al., ICML 2023"
    called: ClassVar[str] = "reduction to {bits} bits a channel"

    bits: int = setting(2, "that are left of a channel's eight", least=1, most=7)

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """The lower bits are zero."""
        return replace(train, images=train.images & np.uint8(256 - 2 ** (8 - self.bits)))
