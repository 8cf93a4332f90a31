"""apply() and remove(): noise that was found before, put on new photos and taken off again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.adding import with_noise
from unlearnable.data.encoding import AS_PNG, Writing, is_lossless
from unlearnable.data.files import Picture
from unlearnable.data.folder import (
    BATCH,
    Publisher,
    Written,
    private_beside,
    refuse_occupied,
    refuse_overlap,
    unfinished_in,
)
from unlearnable.data.gather import in_parallel
from unlearnable.data.photos import Photo, photos_in
from unlearnable.errors import DestinationError, SettingError, SourceError
from unlearnable.keys import Key
from unlearnable.noise import FULL
from unlearnable.report.contact import ContactSheet
from unlearnable.storage import locked, private_folder, read_json, sha256_file, write_json

if TYPE_CHECKING:
    from unlearnable.runtime import Tell  # which loads torch, of which a key needs nothing

APPLIED = "applied.json"


@dataclass(frozen=True)
class Applied:
    """What `apply` or `remove` did.

    Attributes:
        destination: the folder that was filled.
        files: what was written there, each read back from the disk.
        skipped: photos that could not be used, each with the reason.
    """

    destination: Path
    files: tuple[Written, ...]
    skipped: tuple[str, ...]


def apply(
    key: Path | str,
    sources: Sequence[Path | str],
    destination: Path | str,
    *,
    chosen: str | None = None,
    writing: Writing = AS_PNG,
    skip_unreadable: bool = False,
    resume: bool = False,
    tell: Tell | None = None,
) -> Applied:
    """Protect new photos with noise that was found before.

    `destination` gets a file for each photo, in the folders that it lay in, and nothing else;
    beside it, `destination.private` keeps a record. Nothing is trained, and the photos stay as they
    are.

    Args:
        key: a `.private` folder with class-wise noise, or a noise file.
        sources: photos, and folders of photos.
        destination: a folder that is not there yet, or is empty.
        chosen: the class that all photos take; by default the key's only one, or the one that the
            folder of a photo is named after.
        writing: in which format, PNG by default, and what the files tell.
        skip_unreadable: leave out, and list, photos that cannot be read.
        resume: go on with an interrupted run, or add to a folder that was filled with this key.
        tell: hears of progress.

    Raises:
        UnlearnableError: something that the caller can put right.
    """
    opened, destination = Key.open(key), Path(destination).expanduser()
    if opened.noise.form == "sample-wise":
        raise SettingError(
            f"{opened.file} holds a noise for each image that it was found on, and none for new "
            "ones: protect with --form class-wise to have a key for them."
        )
    photos = _photos(sources, destination)
    rows = {photo.name: opened.row_of(photo, chosen) for photo in photos}
    refuse_occupied(destination, resume=resume, record=APPLIED)
    private = private_folder(private_beside(destination))
    with locked(private):
        record = _record_of(opened, private, resume)
        destination.mkdir(parents=True, exist_ok=True)
        sheet = ContactSheet([photo.name for photo in photos])
        with unfinished_in(private) as scratch:
            publisher = Publisher(
                destination,
                scratch,
                opened.noise.budget,
                writing,
                overwrites=False,
                look=sheet.look,
            )

            def one(photo: Photo) -> Written:
                clean = photo.picture()
                row = rows[photo.name]  # the protected one is not kept here: it may be large
                return publisher.publish(clean, with_noise(clean, opened.noise, row), photo.origin)

            written, skipped = _each(
                photos, one, strict=not skip_unreadable, tell=_share(tell, "apply", len(photos))
            )
        sheet.write(private)
        files = {file["name"]: file for file in record["files"]}
        files |= {file.name: asdict(file) for file in written}
        record.update(state="complete", files=list(files.values()), skipped=skipped)
        write_json(private / APPLIED, record, private=True)
    return Applied(destination, tuple(written), tuple(skipped))


def remove(
    key: Path | str,
    sources: Sequence[Path | str],
    destination: Path | str,
    *,
    chosen: str | None = None,
    approximate: bool = False,
    tell: Tell | None = None,
) -> Applied:
    """Give the originals of protected photos back, pixel for pixel.

    That is certain only for lossless files in which no pixel was clipped at black or white, and
    without masking: others are left out and listed, unless `approximate`. What comes out has no
    noise: keep it to yourself.

    Args:
        key: a `.private` folder, or a class-wise noise file.
        sources: protected photos, and folders of them.
        destination: a folder that is not there yet, or is empty.
        chosen: the class that all photos have; by default as in `apply`. Not used for noise that is
            each image's own: there a photo is known by its hash.
        approximate: accept what may differ from the original where pixels were clipped, or files
            were compressed.
        tell: hears of progress.

    Raises:
        UnlearnableError: something that the caller can put right.
    """
    opened, destination = Key.open(key), Path(destination).expanduser()
    photos = _photos(sources, destination)
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise DestinationError(f"{destination} is not empty: choose another destination.")

    def one(photo: Photo) -> Written:
        protected = photo.picture()
        row = _row_of_published(opened, photo, chosen)
        if row is not None and opened.noise.budget.masked and not approximate:
            raise SourceError(
                f"{photo.file} was protected with --masking, which its original alone decides: "
                "accept nearly the original by --approximate."
            )
        colours = protected.colours
        change = np.zeros(colours.shape, np.int16) if row is None else opened.change(row, colours)
        colours = _without(change, protected, photo, approximate=approximate)
        return publisher.publish(protected, protected.recoloured(colours), photo.origin)

    publisher = Publisher(destination, destination, opened.noise.budget, Writing(location=True))
    destination.mkdir(parents=True, exist_ok=True)
    written, skipped = _each(photos, one, strict=False, tell=_share(tell, "remove", len(photos)))
    if not written:
        destination.rmdir()
        raise SourceError(f"of {len(photos)} photos none can be had back: {skipped[0]}")
    return Applied(destination, tuple(written), tuple(skipped))


def _photos(sources: Sequence[Path | str], destination: Path) -> list[Photo]:
    """The photos, none of which the destination could touch."""
    photos = photos_in(sources)
    for source in sources:
        refuse_overlap(destination, Path(source))
    return photos


def _each(
    photos: Sequence[Photo],
    work: Callable[[Photo], Written],
    *,
    strict: bool,
    tell: Callable[[int], None],
) -> tuple[list[Written], list[str]]:
    """Work on every photo in a pool; what cannot be used is listed or, if strict, raised."""

    def careful(photo: Photo) -> Written | str:
        try:
            return work(photo)
        except SourceError as error:
            if strict:
                raise
            return str(error)

    written: list[Written] = []
    skipped: list[str] = []
    for first in range(0, len(photos), BATCH):
        for result in in_parallel(careful, photos[first : first + BATCH]):
            if isinstance(result, str):
                skipped.append(result)
            else:
                written.append(result)
        tell(len(written) + len(skipped))
    return written, skipped


def _share(tell: Tell | None, stage: str, count: int) -> Callable[[int], None]:
    if tell is None:
        return lambda done: None
    return lambda done: tell(stage, done / count, files=f"{done}/{count}")


def _record_of(key: Key, private: Path, resume: bool) -> dict[str, Any]:
    """The record of what was put on photos here, begun if there is none."""
    path, own = private / APPLIED, read_json(key.file.with_suffix(".json"))["sha256"]
    if resume and path.exists():
        record = read_json(path)
        if record["key"] != own:
            raise SettingError(
                f"--resume: {private} is about another key: give that one, or choose another --out."
            )
        return dict(record)
    record = {"unlearnable": version("unlearnable"), "state": "begun", "key": own, "files": []}
    write_json(path, record, private=True)
    return record


def _row_of_published(key: Key, photo: Photo, chosen: str | None) -> int | None:
    """The row that a protected photo took; none if it was published as it was."""
    known = key.published.get(sha256_file(photo.file))
    if known is not None and known[1] == 0:
        return None
    if key.noise.form == "class-wise":
        return key.row_of(photo, chosen)
    if known is None:
        raise SourceError(
            f"{photo.file} is none of the files that were published with {key.file}: its bytes "
            "have changed, or it was protected with another key."
        )
    return known[0]


def _without(
    change: NDArray[np.int16], protected: Picture, photo: Photo, *, approximate: bool
) -> NDArray[np.uint8]:
    """The colours before the change was added."""
    colours = protected.colours.astype(np.int16)
    before = colours - change
    if not approximate:
        if not is_lossless(photo.file):
            raise SourceError(
                f"{photo.file} is not in a lossless format, so its original cannot be had "
                "exactly: accept nearly the original by --approximate."
            )
        if ((before < 0) | (before > FULL)).any():
            raise SourceError(f"{photo.file} was not protected with this key, or not so.")
        clipped = ((colours == FULL) & (change > 0)) | ((colours == 0) & (change < 0))
        if clipped.any():
            raise SourceError(
                f"{photo.file} has {int(clipped.any(2).sum())} pixels that may have been clipped "
                "at black or white, so its original cannot be had exactly: accept nearly the "
                "original by --approximate."
            )
    return before.clip(0, FULL).astype(np.uint8)
