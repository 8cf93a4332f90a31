"""Key estimate: what the photos of a class have in common, taken off all of them.

Class-wise noise is the same on every photo that carries it, and photos are not: in the mean of many
of them, each without what is smooth in it, the photos fade and the noise stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from unlearnable.countermeasures.stored import changed
from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.settings import check, setting

PART = 4  # of a side: what a smoothing window is as large as


@dataclass(frozen=True)
class KeyEstimate(Countermeasure):
    """Each image without the key of its class, as so many published photos give it away.

    The key is guessed as the mean of the photos less their moving average, in a window of a quarter
    of a side, and cut at the budget.

    Example:
        >>> KeyEstimate(photos=10).hooks
        frozenset({'prepare'})
    """

    source: ClassVar[str] = "this library"
    called: ClassVar[str] = "subtracting the key that {photos} photos of a class give away"

    photos: int = setting(
        100, "of a class that the key is guessed from; fewer if it has fewer", least=1
    )
    epsilon: int = setting(
        8, "budget that the noise is taken to have, in levels", least=1, most=255
    )

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Less the guess for its class, and cut to 0 to 255."""
        images = train.images.copy()
        for label in np.unique(train.labels):
            rows = np.flatnonzero(train.labels == label)
            some = run.rng("key", int(label)).permutation(rows)[: self.photos]
            key = self.guess(run.upload(train.images[some]).float())
            images[rows] = changed(train.take(rows), key.neg().add, run).images
        return replace(train, images=images)

    def guess(self, photos: Tensor) -> Tensor:
        """The key that photos (n, C, H, W) of one class share, in whole levels, (C, H, W)."""
        side = max(1, min(photos.shape[2:]) // PART) // 2 * 2 + 1
        around = F.pad(photos, [side // 2] * 4, mode="replicate")
        fine = photos - F.avg_pool2d(around, side, stride=1)
        return fine.mean(0).round().clamp(-self.epsilon, self.epsilon)
