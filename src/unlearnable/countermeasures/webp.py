"""WebP compression, as platforms that convert what is uploaded do."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unlearnable.data.imageset import ImageSet
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
        return replace(train, images=np.stack([self._compressed(image) for image in train.images]))

    def _compressed(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        file, channels = io.BytesIO(), image.shape[2]
        colour = np.repeat(image, 3, axis=2) if channels == 1 else image
        Image.fromarray(colour).save(file, "WEBP", quality=self.quality)
        back = Image.open(file).convert("L" if channels == 1 else "RGB")
        return np.asarray(back).reshape(image.shape)
