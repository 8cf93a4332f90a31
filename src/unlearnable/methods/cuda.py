"""Class-wise blur: Sadasivan et al., "CUDA: Convolution-based Unlearnable Datasets", CVPR 2023.

arXiv 2303.04278. The images of a class are convolved with one random filter, a private key, and
what a network learns is the filter. There is no bound, and the blur can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.methods.free import WithoutSurrogate
from unlearnable.noise import FULL, Budget, Norm
from unlearnable.runtime import Run
from unlearnable.settings import setting


@dataclass(frozen=True)
class ClassFilters(WithoutSurrogate):
    """A random filter for each class (Sadasivan et al., CVPR 2023), published without a bound.

    Cost: seconds, and no surrogate. What it changes hangs on the image, so it is no key.

    Example:
        >>> ClassFilters().blur
        0.3
    """

    published: ClassVar[Budget] = Budget("none")
    norms: ClassVar[tuple[Norm, ...]] = ("none",)
    source: ClassVar[str] = "Sadasivan et al., CVPR 2023"

    form: Literal["sample-wise"] = setting(
        "sample-wise", "what its class's filter does to an image"
    )
    side: Literal[3, 5, 7] = setting(3, "of a filter, in pixels")
    blur: float = setting(0.3, "largest weight of a filter, but for one, which is 1", above=0)

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Filter `images`; what that changes, in float levels, goes to `out`."""
        rng = run.rng("class filters")
        for label in range(len(images.classes)):
            weights = rng.uniform(0, self.blur, self.side**2)
            weights[rng.integers(self.side**2)] = 1
            rows = np.flatnonzero(images.labels == label)
            filtered = _filtered(images.images[rows], weights.reshape(self.side, self.side))
            brightest = np.maximum(filtered.max((1, 2, 3), keepdims=True), 1)
            change = FULL * filtered / brightest - images.images[rows]
            out[rows] = change.transpose(0, 3, 1, 2)
        return {}


def _filtered(images: NDArray[np.uint8], weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Images (n, H, W, C) under a filter (s, s), black beyond the edge."""
    reach, (_, height, width, _) = len(weights) // 2, images.shape
    wide = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0))).astype(np.float32)
    out = np.zeros(images.shape, np.float32)
    for (row, column), weight in np.ndenumerate(weights):
        out += np.float32(weight) * wide[:, row : row + height, column : column + width]
    return out
