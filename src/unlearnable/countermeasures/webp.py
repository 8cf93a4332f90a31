"""WebP compression, as platforms that convert what is uploaded do."""

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
class WebP(Countermeasure):
    """Each training image through lossy WebP, as Pillow writes it: colour at half resolution.

    Example:
        >>> WebP().quality
        80
    """

    source: ClassVar[str] = "usual on the web"
    called: ClassVar[str] = "WebP compression at quality {quality}"

    quality: int = setting(80, "of the compression", least=1, most=100)

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Written and read back."""
        files = [recoded(image, "WEBP", quality=self.quality) for image in train.images]
        return replace(train, images=np.stack(files))
