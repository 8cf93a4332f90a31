"""Greyscale: Liu et al., "Image Shortcut Squeezing", ICML 2023, arXiv 2301.13838."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from PIL import Image

from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run


@dataclass(frozen=True)
class Gray(Countermeasure):
    """Each training image in greyscale: noise of low frequency is mostly colour.

    Example:
        >>> Gray().hooks
        frozenset({'prepare'})
    """

    source: ClassVar[str] = "Liu et al., ICML 2023"
    called: ClassVar[str] = "greyscale conversion"

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Pillow's luma in all channels."""
        if train.channels == 1:
            return train
        gray = [np.asarray(Image.fromarray(image).convert("L")) for image in train.images]
        return replace(train, images=np.repeat(np.stack(gray)[..., None], 3, axis=3))
