"""Uniform random noise: the baseline that shows that it is not the noise's size that protects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.methods.free import WithoutSurrogate
from unlearnable.noise import Budget, Form, Norm
from unlearnable.runtime import Run
from unlearnable.settings import setting

CHUNK = 1024


@dataclass(frozen=True)
class RandomNoise(WithoutSurrogate):
    """Noise drawn at random within the budget, under L∞ uniformly from ±ε.

    It is the random baseline of Huang et al., ICLR 2021.

    Cost: none to speak of.

    Example:
        >>> RandomNoise(form="class-wise").passes(1000)
        0
    """

    published: ClassVar[Budget] = Budget("linf", 8)
    norms: ClassVar[tuple[Norm, ...]] = ("linf", "l2", "l0")
    source: ClassVar[str] = "baseline of Huang et al., ICLR 2021"

    form: Form = setting("sample-wise", "a noise for each image, or one for each class")

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
        rng = run.rng("random noise")
        for first in range(0, len(out), CHUNK):
            rows = out[first : first + CHUNK]
            rows[:] = budget.drawn(rows.shape, rng)
        return {}
