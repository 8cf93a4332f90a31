"""Linearly separable patches: Yu et al., "Availability Attacks Create Shortcuts", KDD 2022.

arXiv 2111.00898. Tiles of one colour, drawn for each class about a corner of a hypercube: a linear
model tells the classes apart by them at once, and so does any network before it looks at a picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.methods.free import WithoutSurrogate
from unlearnable.methods.tiles import grid_of, pixels_of
from unlearnable.noise import Budget, Form, Norm
from unlearnable.runtime import Run
from unlearnable.settings import setting


@dataclass(frozen=True)
class SeparablePatches(WithoutSurrogate):
    """Linearly separable patches (Yu et al., KDD 2022), published at L2 332.6.

    That is a root mean square of 6 levels over 32×32 in colour, 6 · √(3 · H · W); give --epsilon
    for images of other sizes.
    Each image has tiles of its own, or each class has those of its middle.
    Cost: seconds, and no surrogate.

    Example:
        >>> SeparablePatches().passes(1000)
        0
    """

    published: ClassVar[Budget] = Budget("l2", 332.6)
    norms: ClassVar[tuple[Norm, ...]] = ("linf", "l2")
    source: ClassVar[str] = "Yu et al., KDD 2022"

    form: Form = setting("sample-wise", "tiles for each image, or for each class")
    side: int = setting(8, "of a tile, in pixels", least=1)
    separation: float = setting(10.0, "of a class from the origin, along each axis", above=0)

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Draw noise for `images`; float levels go to `out`."""
        rng, shape = run.rng("separable patches"), grid_of(images, self.side)
        size = int(np.prod(shape))
        for label in range(len(images.classes)):
            middle = self.separation * rng.choice([-1.0, 1.0], size)
            spread = rng.uniform(-1, 1, (size, size))
            if self.form == "class-wise":
                points, rows = middle[None], np.array([label])
            else:
                rows = np.flatnonzero(images.labels == label)
                points = middle + rng.standard_normal((len(rows), size)) @ spread
            if len(rows):  # a class may have no image
                tiles = pixels_of(points.reshape(-1, *shape), self.side, images.size)
                out[rows] = budget.filled(tiles)
        return {}
