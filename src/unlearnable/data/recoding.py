"""Images as Pillow has them, and through an encoder and back."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def picture_of(image: NDArray[np.uint8]) -> Image.Image:
    """Pillow's picture of an image, (H, W, 1 to 4): grey, grey and alpha, RGB, RGB and alpha."""
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def recoded(image: NDArray[np.uint8], kind: str, **options: Any) -> NDArray[np.uint8]:
    """An image (H, W, 1 or 3) as it is read back from a file; grey stays grey.

    Args:
        image: uint8.
        kind: Pillow's name of the format.
        options: of Pillow's encoder.

    Example:
        >>> recoded(np.zeros((8, 8, 3), np.uint8), "JPEG", quality=75).shape
        (8, 8, 3)
    """
    file, picture = io.BytesIO(), picture_of(image)
    picture.save(file, kind, **options)
    return np.asarray(Image.open(file).convert(picture.mode)).reshape(image.shape)
