"""Data sets that go by a name: torchvision's, and those of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from unlearnable.data.cifar import LAYOUTS, read_cifar
from unlearnable.data.gather import Reading, folder_name, from_arrays, gather
from unlearnable.data.imageset import ImageSet, Origin
from unlearnable.data.tree import Split, open_folder
from unlearnable.errors import DamagedError, MissingExtraError, SourceError

Opener = Callable[[str, Path, bool, Split, Reading], ImageSet]


def open_named(
    name: str, data_dir: Path, *, download: bool, split: Split, reading: Reading
) -> ImageSet:
    """Open a data set of torchvision by its name, from `data_dir` or, if asked, from the network.

    Raises:
        SourceError: it is not there and `download` is off.
    """
    return NAMES[name](name, data_dir, download, split, reading)


def _open_cifar(
    name: str, data_dir: Path, download: bool, split: Split, reading: Reading
) -> ImageSet:
    arrays = read_cifar(name, data_dir, train=split == "train")
    if arrays is None:
        if not download:
            raise _absent(name, data_dir)
        from torchvision.datasets.utils import download_and_extract_archive

        layout = LAYOUTS[name]
        with _naming_the_network(name):
            download_and_extract_archive(layout.url, str(data_dir), md5=layout.md5)
        arrays = read_cifar(name, data_dir, train=split == "train")
        assert arrays is not None, "the archive was extracted elsewhere"
    images, labels, classes = arrays
    return from_arrays(images, labels, classes, source=name)


SVHN_URL = "http://ufldl.stanford.edu/housenumbers/"
SVHN: dict[Split, tuple[str, str]] = {
    "train": ("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
    "test": ("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
}


def _open_svhn(
    name: str, data_dir: Path, download: bool, split: Split, reading: Reading
) -> ImageSet:
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingExtraError("svhn", "svhn") from error
    file, md5 = SVHN[split]
    path = data_dir / file
    if download:
        from torchvision.datasets.utils import download_url

        with _naming_the_network(name):
            download_url(SVHN_URL + file, str(data_dir), md5=md5)
    elif not path.is_file():
        raise _absent(name, data_dir)
    try:
        content = loadmat(path, variable_names=("X", "y"))
        images, labels = content["X"].transpose(3, 0, 1, 2), content["y"].ravel().astype(np.int64)
    except Exception as error:  # SciPy raises whatever damaged bytes lead it to
        raise DamagedError(f"{path} is not a readable file of SVHN.") from error
    if images.dtype != np.uint8 or images.shape[1:] != (32, 32, 3) or len(labels) != len(images):
        raise DamagedError(f"{path} does not hold the images of SVHN.")
    labels[labels == 10] = 0  # the file calls the digit 0 so
    if not set(labels) <= set(range(10)):
        raise DamagedError(f"{path} does not hold the labels of SVHN.")
    images = np.ascontiguousarray(images)
    return from_arrays(images, labels, [str(digit) for digit in range(10)], source=name)


def _open_imagenet(
    name: str, data_dir: Path, download: bool, split: Split, reading: Reading
) -> ImageSet:
    if download:
        raise SourceError("imagenet cannot be downloaded by a program: its terms ask for a person.")
    if not (data_dir / "train").is_dir():
        raise SourceError(
            f"imagenet is not in {data_dir}: it is read from {data_dir}/train/WNID/*.JPEG and "
            f"{data_dir}/val/WNID/*.JPEG, as torchvision extracts it; name its place by --data-dir."
        )
    return open_folder(data_dir, split, reading)


@contextmanager
def _naming_the_network(name: str) -> Iterator[None]:
    """Turn what torchvision raises where nothing can be fetched into one sentence."""
    try:
        yield
    except (OSError, RuntimeError, HTTPException) as error:
        raise SourceError(f"{name} cannot be fetched: {error}.") from error


def _absent(name: str, data_dir: Path) -> SourceError:
    return SourceError(
        f"{name} is not in {data_dir}: fetch it with --download, or name its place by --data-dir."
    )


NAMES: dict[str, Opener] = {
    "cifar10": _open_cifar,
    "cifar100": _open_cifar,
    "svhn": _open_svhn,
    "imagenet": _open_imagenet,
}


def open_hub(name: str, split: Split, reading: Reading) -> ImageSet:
    """Open `NAME[:SPLIT]` through the `datasets` library: a hub name, or a folder of its files.

    Raises:
        MissingExtraError: the library is not installed.
        SourceError: it cannot be opened, or has no column of images or of labels.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("hf:", "hf") from error
    path, _, part = name.partition(":")
    if not path:
        raise SourceError("hf: names no data set: write hf:NAME or hf:NAME:SPLIT.")
    try:
        data = datasets.load_dataset(path, split=part or split)
    except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SourceError(f"hf:{name} cannot be opened: {reason}") from error
    image, label = _columns(name, data)
    values = data[label]
    feature = data.features[label]
    named = hasattr(feature, "names")
    without = sum(v is None or (named and v < 0) for v in values)  # the hub's "unknown" is -1
    if without:
        raise SourceError(f"hf:{name} has {without} images without a label: choose another split.")
    known = list(getattr(feature, "names", None) or map(str, sorted(set(values))))
    labels = [v if named else known.index(str(v)) for v in values]
    encoded = data.cast_column(image, datasets.Image(decode=False))
    counts = [0] * len(known)
    origins = []
    for row, index in enumerate(labels):
        counts[index] += 1
        place = f"{folder_name(known[index])}/{counts[index]:05d}"
        origins.append(Origin(place, partial(_hub_bytes, encoded, row, image)))
    return gather(origins, labels, known, reading, source=f"hf:{name}")


def _hub_bytes(data: Any, row: int, column: str) -> BytesIO:
    value = data[row][column] or {"bytes": b""}
    try:
        return BytesIO(
            value["bytes"] if value["bytes"] is not None else Path(value["path"]).read_bytes()
        )
    except OSError as error:
        raise SourceError(f"its file cannot be read ({error.strerror})") from error


def _columns(name: str, data: Any) -> tuple[str, str]:
    import datasets

    images = [key for key, kind in data.features.items() if isinstance(kind, datasets.Image)]
    labels = [key for key, kind in data.features.items() if isinstance(kind, datasets.ClassLabel)]
    labels += [key for key in ("label", "labels", "fine_label") if key in data.features]
    if not images or not labels:
        raise SourceError(
            f"hf:{name} has the columns {', '.join(data.features)}: it needs one of images and one "
            "of class labels (a ClassLabel, or a column named label)."
        )
    return images[0], labels[0]
