"""The one way in: whatever holds labelled images, opened as an `ImageSet`."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.gather import Reading, from_arrays
from unlearnable.data.imageset import SMALLEST, ImageSet
from unlearnable.data.named import NAMES, open_hub, open_named
from unlearnable.data.shapes import shapes
from unlearnable.data.tree import Split, open_folder
from unlearnable.errors import SettingError, SourceError
from unlearnable.storage import kind_at

Source = str | Path | ImageSet | tuple[Any, ...]
DATA_DIR = Path("data")


def open_images(
    source: Source,
    *,
    split: Split = "train",
    size: int | None = None,
    data_dir: Path | str = DATA_DIR,
    download: bool = False,
    skip_unreadable: bool = False,
) -> ImageSet:
    """Open labelled images.

    Args:
        source: a folder with one sub-folder a class; a folder with `train/` and `test/`; the name
            of a torchvision data set (cifar10, cifar100, svhn, imagenet) or `shapes`, the built-in
            synthetic set; `hf:NAME[:SPLIT]`; an `.npz` with `images` and `labels` (and, if it
            likes, `classes`); a tuple (images, labels[, class names]); or an `ImageSet`. A folder
            that exists goes before a name.
        split: which part of a source that has two.
        size: working size in pixels; see `Reading`.
        data_dir: where torchvision's data sets lie.
        download: fetch a torchvision data set that is not there.
        skip_unreadable: leave out, and list, images that cannot be read.

    Returns:
        uint8 images (N, H, W, 1 or 3), labels, class names and origins, ordered by name.

    Raises:
        SourceError: the images cannot be used; the message says why and what to do.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((4, 8, 8, 3), np.uint8)
        >>> open_images((images, np.array([0, 1, 0, 1]))).names
        ('0/00001', '1/00001', '0/00002', '1/00002')
    """
    reading = Reading(size, skip_unreadable)
    images = _open(source, split, Path(data_dir), download, reading)
    if size is not None and images.size != (size, size):
        height, width = images.size
        raise SettingError(
            f"--size {size} is for image files: {images.source} holds arrays of {width}×{height}."
        )
    return images


def _open(
    source: Source, split: Split, data_dir: Path, download: bool, reading: Reading
) -> ImageSet:
    if isinstance(source, ImageSet):
        return source
    if isinstance(source, tuple):
        return _arrays(*source, source="arrays")
    text, path = str(source), Path(source).expanduser()
    if text.startswith("hf:"):
        return open_hub(text.removeprefix("hf:"), split, reading)
    if kind_at(path) == "folder":
        return open_folder(path, split, reading)
    if path.suffix == ".npz":
        return _open_npz(path)
    if kind_at(path) == "file":
        raise SourceError(f"{path} is a file: give a folder of class folders, or an .npz file.")
    if text == "shapes":
        return shapes(split=split)
    if text in NAMES:
        return open_named(text, data_dir, download=download, split=split, reading=reading)
    names = ", ".join([*NAMES, "shapes"])
    raise SourceError(f"there is no folder {text}, and it is not one of the names {names}.")


def _open_npz(path: Path) -> ImageSet:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            missing = {"images", "labels"} - set(content.files)
            if missing:
                raise SourceError(
                    f"{path} holds {', '.join(content.files) or 'nothing'}: "
                    "it needs the arrays images and labels."
                )
            arrays = [content[key] for key in ("images", "labels", "classes") if key in content]
    except FileNotFoundError as error:
        raise SourceError(f"there is no file {path}.") from error
    except (ValueError, TypeError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise SourceError(f"{path} is not a readable .npz of plain arrays.") from error
    return _arrays(*arrays, source=str(path))


def _arrays(
    images: NDArray[Any], labels: NDArray[Any], classes: Any = None, *, source: str
) -> ImageSet:
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise SourceError(
            f"{source}: images of type {images.dtype} and shape {images.shape}; "
            "they must be uint8, (N, H, W, 3), (N, H, W, 1) or (N, H, W)."
        )
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise SourceError(
            f"{source}: labels of type {labels.dtype} and shape {labels.shape} for {len(images)} "
            "images; they must be whole numbers, one an image."
        )
    if len(images) and min(images.shape[1:3]) < SMALLEST:
        raise SourceError(
            f"{source}: the images are {images.shape[2]}×{images.shape[1]} pixels: "
            f"at least {SMALLEST}×{SMALLEST} are needed."
        )
    highest = int(labels.max(initial=0))
    if classes is None and highest > len(labels):
        raise SourceError(
            f"{source}: labels run up to {highest} for {len(labels)} images: number the classes "
            "from 0, without gaps."
        )
    names = [str(name) for name in (range(highest + 1) if classes is None else np.ravel(classes))]
    if labels.min(initial=0) < 0 or highest >= len(names):
        raise SourceError(f"{source}: labels must run from 0 to {len(names) - 1}.")
    return from_arrays(np.ascontiguousarray(images), labels.astype(np.int64), names, source=source)
