"""JPEG compression: Liu et al., "Image Shortcut Squeezing", ICML 2023, arXiv 2301.13838."""

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
        images = np.stack([self._compressed(image) for image in train.images])
        return replace(train, images=images.reshape(train.images.shape))

    def _compressed(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        file = io.BytesIO()
        plain = image[:, :, 0] if image.shape[2] == 1 else image
        Image.fromarray(plain).save(file, "JPEG", quality=self.quality)
        return np.asarray(Image.open(file))
