"""Images in memory, with their labels and where each came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.files import Picture, at_working_size, decode
from unlearnable.errors import SourceError, unknown
from unlearnable.storage import sha256_array, sha256_json

SMALLEST = 8  # pixels; below this no network of the field has anything to see


@dataclass(frozen=True)
class Origin:
    """Where an image came from.

    Attributes:
        name: its name in a folder, with forward slashes and without a suffix: `cat/0001`.
        encoded: the file it was read from, or what gives its encoded bytes; None for images that
            came as arrays.
    """

    name: str
    encoded: Path | Callable[[], BytesIO] | None = None

    def __str__(self) -> str:
        return str(self.encoded) if isinstance(self.encoded, Path) else self.name

    def picture(self) -> Picture:
        """Decode the image at its own size.

        Raises:
            SourceError: the image cannot be used; the message names it and says why.
        """
        assert self.encoded is not None, "an array has no encoded form"
        try:
            return decode(self.encoded if isinstance(self.encoded, Path) else self.encoded())
        except SourceError as reason:
            raise SourceError(f"{self} cannot be used: {reason}.") from reason


@dataclass(frozen=True, eq=False)
class ImageSet:
    """A labelled set of images at one working size, in an order that its names alone decide.

    Attributes:
        images: uint8, (N, H, W, C), C being 1 (all are grey) or 3.
        labels: int64, (N,), indices into `classes`.
        classes: class names, sorted for folders, as given otherwise.
        origins: where each image came from, N of them.
        source: what was opened, in words.
        resized: whether images were brought to the working size from sizes of their own.
        skipped: files that could not be read and were left out, each with the reason.
        ignored: how many files were left aside because their name is not that of an image.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    origins: tuple[Origin, ...]
    source: str
    resized: bool = False
    skipped: tuple[str, ...] = ()
    ignored: int = 0

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.images.shape[1], self.images.shape[2]

    @property
    def channels(self) -> int:
        """1 if every image is grey, otherwise 3."""
        return int(self.images.shape[3])

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each image."""
        return tuple(origin.name for origin in self.origins)

    def with_channels(self, channels: int) -> ImageSet:
        """The same images with 3 channels; grey ones are repeated in each."""
        if channels == self.channels:
            return self
        return replace(self, images=np.repeat(self.images, channels, axis=3))

    def at(self, side: int | None) -> ImageSet:
        """The same images, each as a whole, on squares of so many pixels; None: as they are."""
        if side is None or self.size == (side, side):
            return self
        squares = [
            at_working_size(Picture(image), (side, side), self.channels) for image in self.images
        ]
        return replace(self, images=np.stack(squares), resized=True)

    def take(self, rows: NDArray[np.int64]) -> ImageSet:
        """The images of some rows, in that order; the classes stay."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            origins=tuple(self.origins[row] for row in rows),
        )

    def first_of_each_class(self, count: int) -> ImageSet:
        """The first so many images of each class, in their order."""
        rows = [np.flatnonzero(self.labels == k)[:count] for k in range(len(self.classes))]
        return self.take(np.sort(np.concatenate(rows)))

    def only(self, name: str) -> ImageSet:
        """The images of one class, which is then the only class.

        Raises:
            SettingError: there is no such class.
        """
        if name not in self.classes:
            raise unknown("class", name, self.classes)
        rows = np.flatnonzero(self.labels == self.classes.index(name))
        part = self.take(rows)
        return replace(part, labels=np.zeros_like(part.labels), classes=(name,))

    def joined(self, other: ImageSet) -> ImageSet:
        """These images and others of the same size; its classes follow these.

        Raises:
            SourceError: the sizes differ, or a class is in both.
        """
        twice = set(self.classes) & set(other.classes)
        if self.images.shape[1:] != other.images.shape[1:] or twice:
            reason = f"both have the class {min(twice)}" if twice else "their sizes differ"
            raise SourceError(f"{self.source} and {other.source} cannot be joined: {reason}.")
        return replace(
            self,
            images=np.concatenate([self.images, other.images]),
            labels=np.concatenate([self.labels, other.labels + len(self.classes)]),
            classes=(*self.classes, *other.classes),
            origins=(*self.origins, *other.origins),
            source=f"{self.source} + {other.source}",
        )

    def digest(self) -> str:
        """A SHA-256 over pixels, labels, names and classes."""
        arrays = sha256_array(self.images, self.labels)
        return sha256_json([arrays, list(self.classes), list(self.names)])
