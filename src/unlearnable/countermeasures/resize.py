"""Down- and up-scaling: what a smaller copy does not hold is gone; as usual as JPEG on the web."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unlearnable.data.imageset import ImageSet
from unlearnable.data.recoding import picture_of
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class Resize(Countermeasure):
    """Each training image made smaller and brought back to its size, both bicubic by Pillow.

    Example:
        >>> Resize().share
        0.5
    """

    source: ClassVar[str] = "usual on the web"
    called: ClassVar[str] = "scaling down and up"

    share: float = setting(0.5, "of each side that the smaller image has", above=0, most=0.9)

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Down and up."""
        images = np.stack([self._rescaled(image) for image in train.images])
        return replace(train, images=images.reshape(train.images.shape))

    def _rescaled(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        picture = picture_of(image)
        width, height = (max(1, round(self.share * side)) for side in picture.size)
        small = picture.resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(small.resize(picture.size, Image.Resampling.BICUBIC))
