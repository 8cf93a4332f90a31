"""Which noise goes where, and which images a search begins with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.methods.patch import Place
from unlearnable.noise import Form


def noise_shape(images: ImageSet, form: Form) -> tuple[int, int, int, int]:
    """(rows, C, H, W) of a noise: a row an image, or a row a class."""
    rows = len(images) if form == "sample-wise" else len(images.classes)
    return (rows, images.channels, *images.size)


@dataclass(frozen=True)
class Layout:
    """Which noise goes where.

    Attributes:
        form: what is written in the end: a row an image, or a row a class.
        shared: how many noises the images of a class share; 0: each image has its own.
        patch: side of the square that a noise is confined to, in pixels; None: the whole image.
        place: where it is; a shared one at random is moved at every use, and published for good.
    """

    form: Form
    shared: int = 0
    patch: int | None = None
    place: Place = "centre"

    @classmethod
    def of(
        cls, form: Form, shared: int = 0, patch: int | None = None, place: Place = "centre"
    ) -> Layout:
        """The layout of a method's settings.

        Raises:
            SettingError: class-wise noise has one noise a class, at one place.
        """
        if form == "class-wise" and (shared > 1 or (patch and place == "random")):
            raise SettingError(
                "class-wise noise is one for each class, at one place: for several noises a class, "
                "or places of their own, --set form=sample-wise --set shared=1 (or 2, …)."
            )
        return cls(form, max(shared, form == "class-wise"), patch, place)

    def shape(self, images: ImageSet) -> tuple[int, int, int, int]:
        """(rows, C, h, w) of the noises there are.

        Raises:
            SettingError: the patch is larger than the images.
        """
        height, width = images.size
        if self.patch and self.patch > min(height, width):
            raise SettingError(
                f"patch={self.patch}: the images are {width}×{height} pixels; "
                f"write at most {min(height, width)}."
            )
        if not self.shared:
            return noise_shape(images, "sample-wise")
        size = (self.patch, self.patch) if self.patch else images.size
        return (len(images.classes) * self.shared, images.channels, *size)

    def index(self, images: ImageSet, rng: np.random.Generator) -> NDArray[np.int64]:
        """Which noise each image takes, (N,): its own, or one of its class, drawn."""
        if not self.shared:
            return np.arange(len(images))
        return images.labels * self.shared + rng.integers(self.shared, size=len(images))


def stratified(
    labels: NDArray[np.int64],
    share: float,
    rng: np.random.Generator,
    chosen: NDArray[np.bool_] | None = None,
    *,
    least: int = 1,
) -> NDArray[np.int64]:
    """Sorted rows that hold this share of each class, and no fewer images than `least` of it.

    Args:
        labels: (N,).
        share: above 0, at most 1.
        rng: draws them.
        chosen: the rows that there are to choose from, (N,); None: all.
        least: images of a class, where it has so many.
    """
    chosen = np.ones(len(labels), np.bool_) if chosen is None else chosen
    if share >= 1:
        return np.flatnonzero(chosen)
    rows = []
    for label in np.unique(labels[chosen]):
        of_class = rng.permutation(np.flatnonzero((labels == label) & chosen))
        rows.append(of_class[: max(least, round(share * len(of_class)))])
    return np.sort(np.concatenate(rows))
