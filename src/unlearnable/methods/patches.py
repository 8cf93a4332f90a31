"""Class-wise random patches: the simplest noise that is easier to learn than a picture.

Fowl et al., "Adversarial Examples Make Strong Poisons" and Tao et al., "Better Safe Than Sorry"
(both NeurIPS 2021) have random class-wise noise as a baseline; in tiles it survives more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.methods.free import WithoutSurrogate
from unlearnable.methods.tiles import grid_of, pixels_of
from unlearnable.noise import Budget, Norm
from unlearnable.runtime import Run
from unlearnable.settings import setting


@dataclass(frozen=True)
class RandomPatches(WithoutSurrogate):
    """A random pattern of tiles for each class, each channel at the one or the other bound.

    Cost: none to speak of, and no surrogate.

    Example:
        >>> RandomPatches().side
        8
    """

    published: ClassVar[Budget] = Budget("linf", 8)
    norms: ClassVar[tuple[Norm, ...]] = ("linf", "l2")
    source: ClassVar[str] = "baseline of Tao et al., NeurIPS 2021, in tiles"

    form: Literal["class-wise"] = setting("class-wise", "a pattern for each class")
    side: int = setting(8, "of a tile, in pixels", least=1)

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Draw noise for the classes of `images`; float levels go to `out`."""
        shape = (len(out), *grid_of(images, self.side))
        signs = run.rng("random patches").choice([-1.0, 1.0], shape)
        out[:] = budget.filled(pixels_of(signs, self.side, images.size))
        return {}
