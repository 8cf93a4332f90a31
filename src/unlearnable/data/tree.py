"""A folder with one sub-folder a class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from unlearnable.data.files import SUFFIXES, UNSUPPORTED
from unlearnable.data.gather import Reading, gather
from unlearnable.data.imageset import ImageSet, Origin
from unlearnable.errors import SourceError

Split = Literal["train", "test"]
TEST_NAMES = ("test", "val", "valid", "validation")


def open_folder(folder: Path, split: Split, reading: Reading) -> ImageSet:
    """Open a folder of class folders, or one part of a folder with `train/` and `test/`.

    Classes and images are in the order of their names, whatever the file system's own order.

    Raises:
        SourceError: it holds no images, or they are not sorted into class folders.
    """
    base, prefix = _part(folder, split)
    classes = _folders(base)
    _refuse_loose(base, classes)
    origins, labels, ignored = [], [], 0
    for label, name in enumerate(classes):
        files, others = images_below(base / name)
        ignored += others
        for file in files:
            plain = file.relative_to(base).with_suffix("").as_posix()
            origins.append(Origin(prefix + plain, file))
            labels.append(label)
    if not origins:
        raise SourceError(
            f"no images in {base}: it takes {', '.join(sorted(SUFFIXES))} files in class folders."
        )
    return gather(origins, labels, classes, reading, source=str(folder), ignored=ignored)


def _part(folder: Path, split: Split) -> tuple[Path, str]:
    """The folder that holds the class folders, and what its names start with."""
    names = _folders(folder)
    if "train" not in names or not set(names) <= {"train", *TEST_NAMES}:
        return folder, ""
    if split == "train":
        return folder / "train", "train/"
    for name in TEST_NAMES:
        if name in names:
            return folder / name, f"{name}/"
    raise SourceError(f"{folder} has a train/ folder but no test/: name the folder of test images.")


def _folders(folder: Path) -> list[str]:
    return sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES | UNSUPPORTED and not name.startswith(".")


def _refuse_loose(base: Path, classes: list[str]) -> None:
    loose = sorted(e.name for e in os.scandir(base) if _is_image(e.name) and not e.is_dir())
    if loose and not classes:
        raise SourceError(
            f"{base} is flat: its {len(loose)} images are in no class. Make one sub-folder a "
            f"class and move them there, for example {base}/cats/{loose[0]}."
        )
    if loose:
        raise SourceError(
            f"{len(loose)} images lie beside the class folders of {base} ({loose[0]} first): "
            "move each into the folder of its class."
        )


def images_below(folder: Path) -> tuple[list[Path], int]:
    """Image files at any depth, sorted by their path, and how many other files there are."""
    images, others = [], 0
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if Path(place).resolve() in {above.resolve() for above in _between(folder, Path(place))}:
            raise SourceError(f"{place} is a link that leads round in a circle: remove it.")
        for name in files:
            if _is_image(name):
                images.append(Path(place, name))
            elif not name.startswith("."):
                others += 1
    return sorted(images, key=lambda path: path.relative_to(folder).parts), others


def _between(folder: Path, place: Path) -> list[Path]:
    """The folders above `place`, up to `folder`; none if they are the same."""
    return [folder / part for part in place.relative_to(folder).parents] if place != folder else []
