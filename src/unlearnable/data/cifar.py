"""CIFAR-10 and CIFAR-100 from disk, without unpickling anything but plain arrays.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The binary version is
read as it is; the Python version, which torchvision leaves on disk, through a reader that admits
arrays, texts and numbers alone.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearnable.errors import DamagedError, SourceError

SIDE = 32
PIXELS = 3 * SIDE * SIDE


@dataclass(frozen=True)
class Layout:
    """How one of the two data sets lies on disk, in both of its versions."""

    binary: str
    binary_train: tuple[str, ...]
    binary_test: str
    label_bytes: int
    names: str
    url: str
    md5: str
    python: str
    python_train: tuple[str, ...]
    python_test: str
    python_meta: tuple[str, str]
    python_labels: str


LAYOUTS = {
    "cifar10": Layout(
        binary="cifar-10-batches-bin",
        binary_train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        binary_test="test_batch.bin",
        label_bytes=1,
        names="batches.meta.txt",
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        python="cifar-10-batches-py",
        python_train=tuple(f"data_batch_{i}" for i in range(1, 6)),
        python_test="test_batch",
        python_meta=("batches.meta", "label_names"),
        python_labels="labels",
    ),
    "cifar100": Layout(
        binary="cifar-100-binary",
        binary_train=("train.bin",),
        binary_test="test.bin",
        label_bytes=2,  # coarse, then fine
        names="fine_label_names.txt",
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        python="cifar-100-python",
        python_train=("train",),
        python_test="test",
        python_meta=("meta", "fine_label_names"),
        python_labels="fine_labels",
    ),
}

Arrays = tuple[NDArray[np.uint8], NDArray[np.int64], list[str]]


def read_cifar(name: str, folder: Path, *, train: bool) -> Arrays | None:
    """Read `name` below `folder`: images (N, 32, 32, 3), labels (N,), class names.

    Returns:
        None if neither version is there.

    Raises:
        DamagedError: a file is not of its format.
        SourceError: a file of the set is missing.
    """
    layout = LAYOUTS[name]
    readers: list[tuple[str, Callable[[Path, Layout, bool], Arrays]]] = [
        (layout.binary, _read_binary),
        (layout.python, _read_python),
    ]
    for place, read in readers:
        if (folder / place).is_dir():
            try:
                images, labels, names = read(folder / place, layout, train)
            except FileNotFoundError as error:
                raise SourceError(f"{error.filename} is missing from {name}.") from error
            if len(labels) != len(images) or not set(labels) <= set(range(len(names))):
                raise DamagedError(
                    f"{folder / place} is damaged: its labels do not fit its images and names."
                )
            return images, labels, names
    return None


def _as_images(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))


def _read_binary(folder: Path, layout: Layout, train: bool) -> Arrays:
    names = (folder / layout.names).read_text("utf-8", "replace").split()
    images, labels = [], []
    for file in layout.binary_train if train else (layout.binary_test,):
        records = np.fromfile(folder / file, np.uint8)
        if records.size == 0 or records.size % (layout.label_bytes + PIXELS):
            raise DamagedError(f"{folder / file} is damaged: it is not a whole number of records.")
        records = records.reshape(-1, layout.label_bytes + PIXELS)
        labels.append(records[:, layout.label_bytes - 1].astype(np.int64))
        images.append(_as_images(records[:, layout.label_bytes :]))
    return np.concatenate(images), np.concatenate(labels), names


def _read_python(folder: Path, layout: Layout, train: bool) -> Arrays:
    file, key = layout.python_meta
    meta = _plain(folder / file)
    images, labels = [], []
    try:
        names = [str(name) for name in meta[key]]
        for file in layout.python_train if train else (layout.python_test,):
            batch = _plain(folder / file)
            images.append(_as_images(np.asarray(batch["data"], np.uint8)))
            labels.append(np.asarray(batch[layout.python_labels], np.int64).reshape(-1))
    except MALFORMED as error:
        raise DamagedError(f"{folder / file} is not a batch of CIFAR.") from error
    return np.concatenate(images), np.concatenate(labels), names


class _Type:
    """What the type of an array is unpickled as: its code and byte order, as texts."""

    def __init__(self, code: str = "", *_: object) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


class _Array:
    """What an array is unpickled as. NumPy's own reader would trust a damaged shape or type."""

    values: NDArray[Any]

    def __init__(self, *_: object) -> None:
        self.values = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, raw = state
        dtype = kind.order + kind.code
        if not re.fullmatch("[<>|][iu][1248]", dtype):
            raise pickle.UnpicklingError(f"{dtype} is no type of whole numbers")
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        self.values = np.frombuffer(raw, dtype).reshape(shape, order="F" if by_columns else "C")


def _encode(text: str, _: str) -> bytes:
    return text.encode("latin1")


PARTS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _encode,
}


class _ArraysOnly(pickle.Unpickler):
    """A reader that refuses every global but those that an array is pickled with."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PARTS:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return PARTS[module, name]


# What unpickling raises for bytes that are no pickle, or one of something else.
MALFORMED = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)


def _plain(path: Path) -> dict[str, Any]:
    encoded = io.BytesIO(path.read_bytes())
    try:
        content = _ArraysOnly(encoded, encoding="latin1").load()
    except MALFORMED as error:
        raise DamagedError(
            f"{path} is damaged, or holds more than arrays, texts and numbers."
        ) from error
    if not isinstance(content, dict):
        raise DamagedError(f"{path} is not a batch of CIFAR.")
    return {key: v.values if isinstance(v, _Array) else v for key, v in content.items()}
