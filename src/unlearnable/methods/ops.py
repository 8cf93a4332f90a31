"""One-pixel shortcuts: Wu et al., "One-Pixel Shortcut", ICLR 2023, arXiv 2205.12141.

All images of a class have one pixel in one colour, that which is furthest from what these images
have there, in relation to how much it varies; no two classes have the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.methods.free import WithoutSurrogate
from unlearnable.noise import FULL, Budget, Form, Norm
from unlearnable.runtime import Run
from unlearnable.settings import setting


@dataclass(frozen=True)
class OnePixel(WithoutSurrogate):
    """One-pixel shortcuts (Wu et al., ICLR 2023), published at one pixel (L0 1).

    What is stored is the whole range up or down in each channel of the pixel: clipped at black and
    white, it sets the colour. So it is class-wise at heart, and sample-wise the same for a class.
    Cost: seconds, and no surrogate.

    Example:
        >>> OnePixel().published
        Budget(norm='l0', size=1, masked=False)
    """

    published: ClassVar[Budget] = Budget("l0", 1)
    norms: ClassVar[tuple[Norm, ...]] = ("l0", "none")
    source: ClassVar[str] = "Wu et al., ICLR 2023"

    form: Form = setting("sample-wise", "a pixel for each image, its class's, or for each class")

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Choose a pixel and a colour for each class; float levels go to `out`.

        Returns:
            Row, column and colour of each class's pixel, the colour in 0..255; none of a class that
            has no image.

        Raises:
            SettingError: there are more classes than pixels and colours.
        """
        taken: set[tuple[int, int]] = set()
        found: list[list[int]] = []
        for label in range(len(images.classes)):
            rows = images.labels == label
            if chosen is not None and (rows & chosen).any():
                rows = rows & chosen
            if not rows.any():
                found.append([])
                continue
            pixel, colour = _furthest(images.images[rows], taken)
            row, column = divmod(pixel, images.size[1])
            values = np.array(colour)
            mine = label if self.form == "class-wise" else images.labels == label
            out[mine] = 0
            out[mine, :, row, column] = np.where(values, FULL, -FULL)
            found.append([row, column, *(int(FULL * value) for value in colour)])
        return {"pixels": found}


def _furthest(
    images: NDArray[np.uint8], taken: set[tuple[int, int]]
) -> tuple[int, tuple[int, ...]]:
    """The pixel and the colour, of 0 and 1, furthest from images (n, H, W, C) and not yet taken.

    Raises:
        SettingError: all are taken.
    """
    count, height, width, channels = images.shape
    x = images.reshape(count, height * width, channels).astype(np.float32) / FULL
    sums, squares = np.zeros((2, *x.shape[1:])), np.zeros((2, *x.shape[1:]))
    for value in (0, 1):
        distance = np.abs(value - x)
        sums[value], squares[value] = distance.sum(0), (distance * distance).sum(0)
    colours = list(product((0, 1), repeat=channels))
    scores = np.empty((len(colours), height * width))
    for place, colour in enumerate(colours):
        own = [(value, slice(None), channel) for channel, value in enumerate(colour)]
        mean = sum(sums[index] for index in own) / (count * channels)
        variance = sum(squares[index] for index in own) / (count * channels) - mean**2
        scores[place] = mean / np.sqrt(np.maximum(variance, 1e-8))
    for best in np.argsort(-scores, axis=None):
        place, pixel = divmod(int(best), height * width)
        if (pixel, place) not in taken:
            taken.add((pixel, place))
            return pixel, colours[place]
    raise SettingError(
        f"images of {width}×{height} pixels have {scores.size} shortcuts of one pixel, and there "
        "are more classes: give larger images by --size."
    )
