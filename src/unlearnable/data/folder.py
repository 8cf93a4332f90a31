"""A protected folder: the same tree and names, each file whole or absent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.adding import keeps, largest_change, with_noise
from unlearnable.data.encoding import AS_PNG, Encoding, Writing
from unlearnable.data.files import Picture, decode
from unlearnable.data.gather import in_parallel
from unlearnable.data.imageset import ImageSet, Origin
from unlearnable.data.quality import psnr, ssim, survived, tiles
from unlearnable.errors import DamagedError, DestinationError, SourceError
from unlearnable.noise import Budget, Noise
from unlearnable.storage import LOCK, naming_the_place, private_folder, sha256_array, write_bytes

MANIFEST = "manifest.json"
BATCH = 512  # files between two reports of progress
UNCHANGED = 99.0  # dB, what an unchanged image counts as in a mean

Look = Callable[[str, Picture, Picture], None]


@dataclass(frozen=True, slots=True)
class Written:
    """One published file, as read back from the disk and compared with its original.

    Of a picture of more than a megapixel, `psnr`, `ssim` and `survived` are about 16 squares.

    Attributes:
        name: its path below the destination.
        sha256: hash of its bytes.
        change: the largest change of a pixel, in levels, its encoder's own included.
        psnr, ssim: how close it is to the original.
        lossless: whether the noise is in the file as it was found. Otherwise it kept the budget
            when it was handed to the encoder, and the file as a whole need not.
        survived: the share of the noise that the encoder left.
        ratio: its size on the disk to that of its source; None if that was an array.
    """

    name: str
    sha256: str
    change: int
    psnr: float
    ssim: float
    lossless: bool = True
    survived: float = 1.0
    ratio: float | None = None


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
    writing: Writing = AS_PNG,
    chosen: NDArray[np.bool_] | None = None,
    look: Look = lambda name, clean, published: None,
    tell: Callable[[int], None] = lambda done: None,
) -> list[Written]:
    """Publish every image with its noise, and read each file back to compare it with its original.

    A file that is already there with the right bytes is kept, so an interrupted run goes on.

    Args:
        images: what to protect; an image that came from a file is decoded again at its own size.
        noise: a row an image, or a row a class.
        destination: the folder to fill; it gets one file an image and nothing else.
        scratch: a private folder on the same file system, for files that are not whole yet.
        writing: in which format.
        chosen: which images get the noise, (N,), while the others are written as they are; None:
            all.
        look: is shown each picture before and after, under its name.
        tell: called with the number of files done.

    Raises:
        SourceError: an image's own format is to be kept and cannot hold the noise.
        DestinationError: a file cannot be written.
        DamagedError: a written file does not read back as it should, or breaks the budget.
    """
    publisher = Publisher(destination, scratch, noise.budget, writing, look=look)

    def one(row: int) -> Written:
        origin = images.origins[row]
        clean = Picture(images.images[row]) if origin.encoded is None else origin.picture()
        if chosen is not None and not chosen[row]:
            return publisher.publish(clean, clean, origin)
        index = row if noise.form == "sample-wise" else int(images.labels[row])
        return publisher.publish(clean, with_noise(clean, noise, index), origin)

    written: list[Written] = []
    for first in range(0, len(images), BATCH):
        written += in_parallel(one, range(first, min(first + BATCH, len(images))))
        tell(len(written))
    return written


@dataclass(frozen=True)
class Publisher:
    """Where pictures are published, and how.

    Attributes:
        destination: the folder that is filled.
        scratch: a private folder on the same file system, for files that are not whole yet.
        budget: what every change must keep.
        writing: in which format.
        overwrites: whether a file that is there already with other bytes is written over.
        look: is shown each picture before and after, under its name.
    """

    destination: Path
    scratch: Path
    budget: Budget
    writing: Writing = AS_PNG
    overwrites: bool = True
    look: Look = lambda name, clean, published: None

    def publish(self, clean: Picture, protected: Picture, origin: Origin) -> Written:
        """Write a protected picture, and read it back to compare it with its original.

        A file that is already there with the right bytes is kept.

        Raises:
            SourceError: the source's own format is to be kept and cannot hold it.
            DestinationError: it cannot be written.
            DamagedError: it does not read back as it should, or breaks the budget.
        """
        encoding = encoding_for(origin, self.writing)
        path = inside(self.destination, origin.name + encoding.suffix)
        if not keeps(self.budget, clean.colours, protected.colours):
            raise DamagedError(f"{path} breaks the budget {self.budget}: this is a fault of ours.")
        content = encoding.encode(protected, exif=self.writing.exif(protected))
        if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
            if path.exists() and not self.overwrites:
                raise DestinationError(
                    f"{path} is there already and was made of another photo, or otherwise: rename "
                    "the new one, or choose another --out."
                )
            with naming_the_place(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content, scratch=self.scratch)
        size, digest = len(content), hashlib.sha256(content).hexdigest()
        left = 1.0 if encoding.lossless else round(_survived(clean, protected, encoding), 3)
        expected = _shown(protected, encoding)
        del content, protected  # a large photo is not to be in memory once more than it must
        found = decode(path)
        if _shown(found, encoding) != expected:
            raise DamagedError(f"{path} does not read back as it was written: check the disk.")
        self.look(origin.name, clean, found)
        parts = list(zip(tiles(clean.colours), tiles(found.colours), strict=True))
        before = _size(origin)
        return Written(
            name=path.relative_to(self.destination).as_posix(),
            sha256=digest,
            change=largest_change(clean.colours, found.colours),
            psnr=round(min(psnr(*map(np.stack, zip(*parts, strict=True))), UNCHANGED), 3),
            ssim=round(float(np.mean([ssim(a, b) for a, b in parts])), 5),
            lossless=encoding.lossless,
            survived=left,
            ratio=round(size / before, 3) if before else None,
        )


def encoding_for(origin: Origin, writing: Writing) -> Encoding:
    """How an image is encoded.

    Raises:
        SourceError: its own format is to be kept and cannot hold noise.
    """
    encoded = origin.encoded
    try:
        return writing.encoding(encoded() if callable(encoded) else encoded)
    except SourceError as reason:
        raise SourceError(f"{origin} cannot be kept as it is: {reason}.") from reason


def refuse_unkeepable(images: ImageSet, writing: Writing) -> None:
    """Refuse images whose own format is to be kept and cannot hold noise, before any work.

    Raises:
        SourceError: names one.
    """
    if writing.format == "keep":
        in_parallel(lambda origin: encoding_for(origin, writing), images.origins)


def _size(origin: Origin) -> int | None:
    """Bytes of the encoded source; None of an array."""
    if isinstance(origin.encoded, Path):
        return origin.encoded.stat().st_size
    return origin.encoded().getbuffer().nbytes if origin.encoded else None


def _shown(picture: Picture, encoding: Encoding) -> str:
    """What must read back as it was written: the pixels, or of a lossy file their number."""
    return sha256_array(picture.pixels) if encoding.lossless else str(picture.pixels.shape)


def _survived(clean: Picture, protected: Picture, encoding: Encoding) -> float:
    """The share of the noise that a lossy encoder leaves; all of none."""

    def encoded(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return decode(BytesIO(encoding.encode(Picture(part)))).colours

    pairs = zip(tiles(clean.colours), tiles(protected.colours), strict=True)
    left = survived((x, noisy, encoded(x), encoded(noisy)) for x, noisy in pairs)
    return 1.0 if left is None else left


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
