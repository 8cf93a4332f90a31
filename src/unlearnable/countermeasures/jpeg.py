"""JPEG compression: Liu et al., "Image Shortcut Squeezing", ICML 2023, arXiv 2301.13838."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from unlearnable.data.imageset import ImageSet
from unlearnable.data.recoding import recoded
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class JPEG(Countermeasure):
    """Each training image through JPEG, as Pillow writes it: noise of high frequency goes.

    Example:
        >>> JPEG().quality
        10
    """

    source: ClassVar[str] = "Liu et al., ICML 2023"
    called: ClassVar[str] = "JPEG compression at quality {quality}"

    quality: int = setting(10, "of the compression", least=1, most=95)

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Written and read back."""
        files = [recoded(image, "JPEG", quality=self.quality) for image in train.images]
        return replace(train, images=np.stack(files))
