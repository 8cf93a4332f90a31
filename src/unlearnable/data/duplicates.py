"""Test images that a model has seen in training: the same pixels, or the same picture again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unlearnable.data.imageset import ImageSet
from unlearnable.data.recoding import picture_of

COARSE, FINE = 8, 32  # pixels of the sides at which pictures are compared
SUSPICIOUS, SAME = 0.9, 0.95  # correlations of pixels at these sides
CHUNK = 500


@dataclass(frozen=True, eq=False)
class Duplicates:
    """Test images that are also training images.

    Attributes:
        exact: rows of the test set with the pixels of a training image, (n,).
        near: other rows that show the same picture, as it is or mirrored, (m,).
        twins: for each of both, the row of the training image, (n + m,).
    """

    exact: NDArray[np.int64]
    near: NDArray[np.int64]
    twins: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """Exact and near ones, (n + m,)."""
        return np.concatenate([self.exact, self.near])


def duplicates(test: ImageSet, train: ImageSet) -> Duplicates:
    """Find the test images that are, or nearly are, training images.

    Two pictures are near if, brought to 32×32 pixels, they correlate by 0.95 or more: a picture
    compressed, resized or lightly retouched, not another of the same thing. For each test image
    only its nearest neighbour at 8×8 pixels is looked at that closely.
    """
    seen = {image.tobytes(): row for row, image in enumerate(train.images)}
    found = {
        row: seen[image.tobytes()]
        for row, image in enumerate(test.images)
        if image.tobytes() in seen
    }
    exact = np.array(list(found), dtype=np.int64)
    others = np.setdiff1d(np.arange(len(test)), exact)
    near, twins = _near(test.images[others], train.images) if len(others) else (others, others)
    return Duplicates(exact, others[near], np.array([*found.values(), *twins], dtype=np.int64))


def _near(
    test: NDArray[np.uint8], train: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of test images that show a picture of the training set, and that picture's row."""
    coarse = _centred(test, COARSE)
    best, twin = np.full(len(test), SUSPICIOUS), np.full(len(test), -1)
    for flipped in (False, True):
        there = _centred(train[:, :, ::-1] if flipped else train, COARSE)
        for first in range(0, len(test), CHUNK):
            part = slice(first, first + CHUNK)
            alike = coarse[part] @ there.T
            top, most = alike.argmax(1), alike.max(1)
            better = most > best[part]
            best[part][better] = most[better]
            twin[part][better] = top[better]
    rows = np.flatnonzero(twin >= 0)
    if len(rows) == 0:
        return rows, rows
    here, there = _centred(test[rows], FINE), train[twin[rows]]
    alike = np.maximum(
        *((here * _centred(images, FINE)).sum(1) for images in (there, there[:, :, ::-1]))
    )
    same = alike >= SAME
    return rows[same], twin[rows][same]


def _centred(images: NDArray[np.uint8], side: int) -> NDArray[np.float32]:
    """Pixels brought to a side at most, less their mean, of length 1, (N, side · side · C)."""
    if min(images.shape[1:3]) > side:
        images = np.stack([_small(image, side) for image in images])
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1)


def _small(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    picture = picture_of(image)
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))
