"""A protected folder: the same tree and names, each file a PNG that is whole or absent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.files import Picture, decode, encode_png
from unlearnable.data.gather import in_parallel
from unlearnable.data.imageset import ImageSet
from unlearnable.data.quality import psnr, ssim
from unlearnable.errors import DamagedError, DestinationError
from unlearnable.noise import Budget, Noise
from unlearnable.storage import LOCK, naming_the_place, private_folder, write_bytes

MANIFEST = "manifest.json"
BATCH = 512  # files between two reports of progress
UNCHANGED = 99.0  # dB, what an unchanged image counts as in a mean


@dataclass(frozen=True)
class Written:
    """One published file, as read back from the disk and compared with its original.

    Attributes:
        name: its path below the destination.
        sha256: hash of its bytes.
        change: the largest change of a pixel, in levels.
        psnr, ssim: how close it is to the original.
    """

    name: str
    sha256: str
    change: int
    psnr: float
    ssim: float


def private_beside(destination: Path) -> Path:
    """The folder that keeps the noise, the seed and the checkpoints of a protected folder."""
    place = destination.resolve() if destination.name in ("", "..") else destination
    if not place.name:
        raise DestinationError(f"{place} cannot be a destination: name a folder below it.")
    return place.with_name(f"{place.name}.private")


def refuse_overlap(destination: Path, source: Path) -> None:
    """Refuse a destination that could touch the source.

    Raises:
        DestinationError: it, or its private folder, is the source, holds it or lies inside it.
    """
    place, origin = destination.expanduser(), source.expanduser().resolve()
    for ours in (place.resolve(), private_beside(place).resolve()):
        if ours == origin or origin in ours.parents or ours in origin.parents:
            raise DestinationError(
                f"the destination {destination} is, holds or lies inside the source {source}: "
                f"choose another, for example {origin.with_name(origin.name + '-protected')}."
            )


def refuse_occupied(destination: Path, *, resume: bool, record: str = MANIFEST) -> None:
    """Refuse a destination that holds files already, unless they are of a run to be resumed.

    Args:
        destination: the folder to be filled.
        resume: whether a run is to go on.
        record: what such a run has left in the private folder.

    Raises:
        DestinationError: it is a file, or it or its private folder is not empty.
    """
    private = private_beside(destination)
    going_on = resume and (private / record).exists()
    for folder in (destination, private):
        if folder.exists() and not folder.is_dir():
            raise DestinationError(f"{folder} is a file: choose another destination.")
        if not going_on and folder.is_dir() and {e.name for e in folder.iterdir()} - {LOCK}:
            advice = (
                "and there is no run to resume: choose another destination."
                if resume
                else "choose another destination, or continue an interrupted run with --resume."
            )
            raise DestinationError(f"{folder} is not empty{',' if resume else ':'} {advice}")


@contextmanager
def unfinished_in(private: Path) -> Iterator[Path]:
    """A private folder for files that are not whole yet, empty at first and gone in the end."""
    scratch = private_folder(private / "unfinished")
    for left in scratch.iterdir():
        left.unlink()
    yield scratch
    scratch.rmdir()


def write(
    images: ImageSet,
    noise: Noise,
    destination: Path,
    *,
    scratch: Path,
    chosen: NDArray[np.bool_] | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> list[Written]:
    """Publish every image with its noise, and read each file back to compare it with its original.

    A file that is already there with the right pixels is kept, so an interrupted run goes on.

    Args:
        images: what to protect; an image that came from a file is decoded again at its own size.
        noise: a row an image, or a row a class.
        destination: the folder to fill; it gets PNG files at `NAME.png` and nothing else.
        scratch: a private folder on the same file system, for files that are not whole yet.
        chosen: which images get the noise, (N,), while the others are written as they are; None:
            all.
        tell: called with the number of files done.

    Raises:
        DestinationError: a file cannot be written.
        DamagedError: a written file does not read back as it should, or breaks the budget.
    """

    def one(row: int) -> Written:
        taken = noise if chosen is None or chosen[row] else None
        return _write_one(images, taken, row, destination, scratch)

    written: list[Written] = []
    for first in range(0, len(images), BATCH):
        written += in_parallel(one, range(first, min(first + BATCH, len(images))))
        tell(len(written))
    return written


def _write_one(
    images: ImageSet, noise: Noise | None, row: int, destination: Path, scratch: Path
) -> Written:
    origin = images.origins[row]
    clean = Picture(images.images[row]) if origin.encoded is None else origin.picture()
    protected = clean
    if noise is not None:
        index = row if noise.form == "sample-wise" else int(images.labels[row])
        protected = clean.recoloured(noise.add_to(clean.colours, index))
    budget = noise.budget if noise else None
    return publish(clean, protected, origin.name, destination, budget=budget, scratch=scratch)


def publish(
    clean: Picture,
    protected: Picture,
    name: str,
    destination: Path,
    *,
    budget: Budget | None,
    scratch: Path,
) -> Written:
    """Write one protected picture at `NAME.png`, and read it back to compare it with its original.

    A file that is already there with the right pixels is kept.

    Raises:
        DestinationError: it cannot be written.
        DamagedError: it does not read back as it should, or breaks the budget.
    """
    path = inside(destination, f"{name}.png")
    content = encode_png(protected)
    if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
        with naming_the_place(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content, scratch=scratch)
    found = decode(path)
    if not np.array_equal(found.pixels, protected.pixels):
        raise DamagedError(f"{path} does not read back as it was written: check the disk.")
    change = found.colours.astype(np.int16) - clean.colours
    if budget and not budget.admits(change.transpose(2, 0, 1)[None]):
        raise DamagedError(f"{path} breaks the budget {budget}: this is a fault of ours.")
    return Written(
        name=path.relative_to(destination).as_posix(),
        sha256=hashlib.sha256(content).hexdigest(),
        change=int(np.abs(change).max(initial=0)),
        psnr=round(min(psnr(clean.colours, found.colours), UNCHANGED), 3),
        ssim=round(ssim(clean.colours, found.colours), 5),
    )


def inside(folder: Path, name: str) -> Path:
    """The path of `name` in `folder`.

    Raises:
        DestinationError: the name leads out of the folder.
    """
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DestinationError(f"the name {name!r} leads out of {folder}: rename the image.")
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise DestinationError(f"{path.parent} is a link out of {folder}: remove it.")
    return path
