"""Encoded images of any sizes become one array at one working size."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.files import at_working_size, probe
from unlearnable.data.imageset import SMALLEST, ImageSet, Origin
from unlearnable.errors import SettingError, SourceError

LARGEST_DEFAULT = 128  # pixels; what a search on a CPU can still afford
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Reading:
    """How images are to be read.

    Attributes:
        size: the working size in pixels; None keeps images of one size as they are, and brings
            mixed sizes to their median shorter side (32 to 128, a multiple of 8).
        skip_unreadable: leave out, and list, what cannot be read.
    """

    size: int | None = None
    skip_unreadable: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and self.size < SMALLEST:
            raise SettingError(f"--size {self.size} is too small: it must be at least {SMALLEST}.")


def gather(
    origins: Sequence[Origin],
    labels: Sequence[int],
    classes: Sequence[str],
    reading: Reading,
    *,
    source: str,
    ignored: int = 0,
) -> ImageSet:
    """Decode the images of a set and bring them to the working size.

    Raises:
        SourceError: as of `decoded`, or the set is none that can be protected.
    """
    return refuse_unusable(
        decoded(origins, labels, classes, reading, source=source, ignored=ignored)
    )


def decoded(
    origins: Sequence[Origin],
    labels: Sequence[int],
    classes: Sequence[str],
    reading: Reading,
    *,
    source: str,
    ignored: int = 0,
) -> ImageSet:
    """Decode images of whatever classes and bring them to the working size.

    Raises:
        SourceError: an image cannot be read (unless such are skipped), or is under 8 pixels.
    """
    skipped: dict[int, str] = {}
    shapes = _each(origins, _probe, skipped, reading)
    _refuse_tiny(origins, shapes)
    sizes = {shape[:2] for shape in shapes if shape is not None}
    size = (reading.size, reading.size) if reading.size else _default_size(sizes, shapes)
    channels = 1 if all(shape is None or shape[2] for shape in shapes) else 3
    images = np.zeros((len(origins), *size, channels), np.uint8)

    def fill(row: int) -> None:
        images[row] = at_working_size(origins[row].picture(), size, channels)

    wanted = [row for row in range(len(origins)) if row not in skipped]
    _each(wanted, fill, skipped, reading, rows=wanted)
    kept = np.array([row for row in wanted if row not in skipped], dtype=np.int64)
    everything = ImageSet(
        images=images,
        labels=np.asarray(labels, dtype=np.int64),
        classes=tuple(classes),
        origins=tuple(origins),
        source=source,
        resized=sizes != {size},
        skipped=tuple(skipped[row] for row in sorted(skipped)),
        ignored=ignored,
    )
    return everything if len(kept) == len(origins) else everything.take(kept)


def refuse_unusable(images: ImageSet) -> ImageSet:
    """Give back a set that can be protected: two classes or more, an image in each, unique names.

    Raises:
        SourceError: says which of those does not hold.
    """
    if len(images) == 0:
        raise SourceError(f"{images.source} holds no image.")
    if len(images.classes) < 2:
        raise SourceError(
            f"{images.source} has one class only ({images.classes[0]}): "
            "a model learns to tell classes apart, so give at least two."
        )
    counts = np.bincount(images.labels, minlength=len(images.classes))
    for name, count in zip(images.classes, counts, strict=True):
        if count == 0:
            raise SourceError(f"{images.source}: the class {name} has no image.")
    name, times = Counter(images.names).most_common(1)[0]
    if times > 1:
        twins = [str(origin) for origin in images.origins if origin.name == name]
        raise SourceError(
            f"{' and '.join(twins)} would both become {name}.png: rename one of them."
        )
    folders = {str(above) for name in images.names for above in PurePosixPath(name).parents}
    for name in images.names:
        if f"{name}.png" in folders:
            raise SourceError(
                f"{images.source}: {name} would become {name}.png, which is a folder: rename one."
            )
    return images


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Apply `work` to each item in a pool of threads; results in order, first error raised.

    Pillow's warnings (odd metadata, very large images) are silenced here and not at each image:
    Python's warning filters belong to the whole process, so a thread must not change them.
    """
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")
        try:
            return list(pool.map(work, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _each(
    items: Sequence[T],
    work: Callable[[T], R],
    skipped: dict[int, str],
    reading: Reading,
    *,
    rows: Sequence[int] | None = None,
) -> list[R | None]:
    """Work on every item; what cannot be read goes to `skipped` under its row, or is raised."""

    def careful(item: T) -> R | str:
        try:
            return work(item)
        except SourceError as error:
            if not reading.skip_unreadable:
                raise SourceError(
                    f"{error} Repair or remove it, or go on without it: --skip-unreadable."
                ) from error
            return str(error)

    results: list[R | None] = []
    for place, result in enumerate(in_parallel(careful, items)):
        if isinstance(result, str):
            skipped[rows[place] if rows else place] = result
        results.append(None if isinstance(result, str) else result)
    return results


def _probe(origin: Origin) -> tuple[int, int, bool]:
    assert origin.encoded is not None
    try:
        return probe(origin.encoded() if callable(origin.encoded) else origin.encoded)
    except SourceError as reason:
        raise SourceError(f"{origin} cannot be used: {reason}.") from reason


def _refuse_tiny(origins: Sequence[Origin], shapes: Sequence[tuple[int, int, bool] | None]) -> None:
    for origin, shape in zip(origins, shapes, strict=True):
        if shape is not None and min(shape[:2]) < SMALLEST:
            raise SourceError(
                f"{origin} is {shape[1]}×{shape[0]} pixels: "
                f"at least {SMALLEST}×{SMALLEST} are needed."
            )


def _default_size(
    sizes: set[tuple[int, int]], shapes: Sequence[tuple[int, int, bool] | None]
) -> tuple[int, int]:
    if len(sizes) == 1:
        return next(iter(sizes))
    shorter = [min(shape[:2]) for shape in shapes if shape is not None]
    side = int(np.median(shorter)) // 8 * 8 if shorter else SMALLEST
    side = min(max(side, 32), LARGEST_DEFAULT)
    return side, side


def from_arrays(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: Sequence[str],
    *,
    source: str,
    prefix: str = "",
) -> ImageSet:
    """An image set of arrays that were checked already; each image is named `CLASS/00001`."""
    folders = [folder_name(name) for name in classes]
    if len(set(folders)) < len(folders):
        raise SourceError(f"{source}: two classes would share one folder name; rename one.")
    places = np.zeros(len(labels), dtype=np.int64)
    for label in range(len(classes)):
        rows = labels == label
        places[rows] = np.arange(1, rows.sum() + 1)
    origins = tuple(
        Origin(f"{prefix}{folders[label]}/{place:05d}")
        for label, place in zip(labels, places, strict=True)
    )
    return refuse_unusable(ImageSet(images, labels, tuple(classes), origins, source))


def folder_name(name: str) -> str:
    """A class name as one plain folder name: no separator, no control character, never hidden."""
    plain = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in name).strip()
    return plain.lstrip(".") or "_"
