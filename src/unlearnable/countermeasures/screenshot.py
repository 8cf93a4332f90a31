"""A screenshot: a picture shown at another size, caught as it is shown, and brought back."""

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
class Screenshot(Countermeasure):
    """Each training image enlarged as a screen does, bilinear, and brought back to its size.

    Example:
        >>> Screenshot().zoom
        1.25
    """

    source: ClassVar[str] = "usual on the web"
    called: ClassVar[str] = "a screenshot at {zoom:g} times the size"

    zoom: float = setting(1.25, "how much larger than stored it is shown", above=1, most=4)

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Up and down."""
        return replace(train, images=np.stack([self._caught(image) for image in train.images]))

    def _caught(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        picture = picture_of(image)
        width, height = (max(1, round(self.zoom * side)) for side in picture.size)
        shown = picture.resize((width, height), Image.Resampling.BILINEAR)
        back = shown.resize(picture.size, Image.Resampling.BICUBIC)
        return np.asarray(back).reshape(image.shape)
