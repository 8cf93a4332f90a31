"""Which images of a set are to be protected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError, unknown


@dataclass(frozen=True)
class Part:
    """Which images are to be protected: a share of those of some classes, or of all."""

    rate: float = 1.0
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise SettingError(f"--rate {self.rate}: write a share above 0, up to 1, as in 0.2.")

    def settings(self) -> dict[str, Any]:
        """What is worth remembering: nothing if all are protected."""
        rate = {"rate": self.rate} if self.rate < 1 else {}
        return rate | ({"protected_classes": list(self.classes)} if self.classes else {})

    def of(self, images: ImageSet, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Whether each image is one of them, (N,): of each class its share, and at least one.

        Raises:
            SettingError: there is no such class.
        """
        for name in self.classes:
            if name not in images.classes:
                raise unknown("class", name, images.classes)
        chosen = np.zeros(len(images), dtype=np.bool_)
        for label, name in enumerate(images.classes):
            rows = rng.permutation(np.flatnonzero(images.labels == label))
            if len(rows) and (not self.classes or name in self.classes):
                chosen[rows[: max(1, round(self.rate * len(rows)))]] = True
        return chosen
