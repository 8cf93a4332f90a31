"""The images of an audit: opened, brought together, and looked at for what would mislead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from unlearnable.data.among import among
from unlearnable.data.duplicates import duplicates
from unlearnable.data.folder import MANIFEST, private_beside
from unlearnable.data.gather import folder_name
from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import Source
from unlearnable.errors import DamagedError, SettingError, SourceError
from unlearnable.noise import Budget
from unlearnable.storage import read_json, sha256_file
from unlearnable.verdict import Doubt, leaked, partial, too_few

HELDOUT = 50
"""Clean images a class for a trainer who owns some, at most a fifth of the test set's."""

Open = Callable[..., ImageSet]
"""`open_images` with where data lie, and whether they may be fetched."""


@dataclass(frozen=True, eq=False)
class Material:
    """What an audit works on.

    Attributes:
        clean: the originals.
        published: the protected images as they lie on the disk, in the same order.
        test: clean images, without those that are training images and without the held-out ones.
        heldout: clean images that a trainer owns; None if nobody asks for them.
        budget: of the noise.
        manifest: what `protect` remembers of the published files; None if there is none.
        leaks: the test images that were left out, each with the training image that it is.
        asked: the classes that are protected, if not all are: accuracy is about them.
        doubts: what was found.
    """

    clean: ImageSet
    published: ImageSet
    test: ImageSet
    heldout: ImageSet | None
    budget: Budget
    manifest: dict[str, Any] | None
    leaks: tuple[tuple[str, str], ...]
    asked: tuple[int, ...] | None
    doubts: tuple[Doubt, ...]


def gather(
    protected: Path,
    clean: Source,
    test: Source,
    *,
    background: Source | None = None,
    open_images: Open,
    size: int | None,
    heldout: int | None,
    rng: np.random.Generator,
) -> Material:
    """Open the three sets and check that they belong together.

    Args:
        protected: a folder of protected images.
        clean: what it was made from.
        test: clean images of the same classes.
        background: the other classes, where one person's photos alone were protected.
        open_images: opens one of them.
        size: working size.
        heldout: images a class to split off the test set; 0 for none, None for the usual.
        rng: draws them.

    Raises:
        UnlearnableError: they do not.
    """
    manifest = _manifest(protected)
    named = (manifest or {}).get("named")
    if named:
        photos, beside = _one_person(protected, named, clean, background)
        others = open_images(beside, size=size)
        originals, published = (among(place, named, others) for place in (photos, protected))
    elif background is not None:
        raise SettingError(
            f"--background is for a folder of `protect --as`, and {protected} is none."
        )
    else:
        originals, published = (open_images(source, size=size) for source in (clean, protected))
    published = paired(published, originals)
    common = _common(originals, test)
    tests = matched(open_images(test, split="test", size=common), originals)
    channels = max(images.channels for images in (originals, published, tests))
    originals, published, tests = (
        images.with_channels(channels) for images in (originals, published, tests)
    )
    budget = _budget(protected, manifest, originals, published)
    doubts = _files(protected, manifest, budget, originals, published)
    found = duplicates(tests, originals)
    doubts += leaked(len(found.exact), len(found.near), len(tests))
    names = zip(found.rows, found.twins, strict=True)
    leaks = tuple((tests.names[row], originals.names[twin]) for row, twin in names)
    if len(found.rows) == len(tests):
        raise SourceError(
            f"every image of {tests.source} is a training image, or nearly: give test images that "
            "are not in the training set."
        )
    tests = tests.take(np.setdiff1d(np.arange(len(tests)), found.rows))
    owned = None
    if heldout != 0:
        owned, tests = split(tests, heldout, rng)
    counts = np.bincount(tests.labels, minlength=len(tests.classes))
    doubts += too_few(dict(zip(tests.classes, counts.tolist(), strict=True)))
    asked = _asked(manifest, originals.classes)
    if asked is not None:
        doubts.append(partial([originals.classes[label] for label in asked]))
    return Material(
        originals, published, tests, owned, budget, manifest, leaks, asked, tuple(doubts)
    )


def _one_person(
    protected: Path, named: str, clean: Source, background: Source | None
) -> tuple[Path | str, Source]:
    """The folder of one person's photos, and the other classes.

    Raises:
        SettingError: there are none, or the photos are no folder.
    """
    if background is None or not isinstance(clean, str | Path):
        raise SettingError(
            f"{protected} holds photos of {named} alone: give the folder that they came from by "
            "--clean, and pictures of the same kind, of other classes, by --background."
        )
    return clean, background


def _asked(manifest: dict[str, Any] | None, classes: tuple[str, ...]) -> tuple[int, ...] | None:
    """The classes that a manifest says are protected; None for all."""
    names = ((manifest or {}).get("settings") or {}).get("protected_classes")
    return None if not names else tuple(classes.index(name) for name in names if name in classes)


def paired(protected: ImageSet, clean: ImageSet) -> ImageSet:
    """The protected images in the order of their originals, with the originals' labels.

    Raises:
        SourceError: the two do not hold the same images.
    """
    place = {name: row for row, name in enumerate(protected.names)}
    lacking = [name for name in clean.names if name not in place]
    if lacking or len(protected) != len(clean):
        left = lacking or sorted(set(protected.names) - set(clean.names))
        raise SourceError(
            f"{protected.source} and {clean.source} do not hold the same images: "
            f"{len(protected)} against {len(clean)}, {left[0]} is in one only."
        )
    rows = np.array([place[name] for name in clean.names], dtype=np.int64)
    if protected.size != clean.size:
        raise SourceError(
            f"{protected.source} and {clean.source} have different sizes: give both one --size."
        )
    return replace(protected.take(rows), labels=clean.labels, classes=clean.classes)


def split(test: ImageSet, count: int | None, rng: np.random.Generator) -> tuple[ImageSet, ImageSet]:
    """Held-out images, so many a class, and the rest.

    Raises:
        SettingError: a class has no more than that.
    """
    held: list[int] = []
    for label, name in enumerate(test.classes):
        rows = rng.permutation(np.flatnonzero(test.labels == label))
        wanted = min(HELDOUT, max(1, len(rows) // 5)) if count is None else count
        if count is not None and count >= len(rows):
            raise SettingError(
                f"heldout={count}: the class {name} has {len(rows)} test images; leave some."
            )
        held += rows[:wanted].tolist()
    rows = np.sort(np.array(held, dtype=np.int64))
    return test.take(rows), test.take(np.setdiff1d(np.arange(len(test)), rows))


def matched(test: ImageSet, clean: ImageSet) -> ImageSet:
    """The test images with the training set's labels.

    Raises:
        SourceError: they are of other classes, or of another size.
    """
    index = {folder_name(name): label for label, name in enumerate(clean.classes)}
    foreign = [name for name in test.classes if folder_name(name) not in index]
    if foreign:
        raise SourceError(
            f"{test.source} has the class {foreign[0]}, which {clean.source} has not: "
            "test images must be of the same classes."
        )
    if test.size != clean.size:
        raise SourceError(
            f"{test.source} has images of {test.size}, the training images are {clean.size}: "
            "give --size."
        )
    new = np.array([index[folder_name(name)] for name in test.classes], dtype=np.int64)
    return replace(test, labels=new[test.labels], classes=clean.classes)


def _common(clean: ImageSet, test: Source) -> int | None:
    """The size to open test images at: the training images', if those are files and square."""
    height, width = clean.size
    is_files = isinstance(test, str | Path) and Path(test).is_dir()
    return height if is_files and height == width else None


def _manifest(protected: Path) -> dict[str, Any] | None:
    path = private_beside(protected) / MANIFEST
    return read_json(path) if path.exists() else None


def _budget(
    protected: Path, manifest: dict[str, Any] | None, clean: ImageSet, published: ImageSet
) -> Budget:
    """The budget that the manifest states or, without one, the largest change there is."""
    if manifest is not None:
        try:
            return Budget(**manifest["settings"]["budget"])
        except (KeyError, TypeError) as error:
            raise DamagedError(
                f"{private_beside(protected) / MANIFEST} is not a manifest of this library."
            ) from error
    pairs = zip(clean.images, published.images, strict=True)
    largest = max(int(np.abs(a.astype(np.int16) - b).max()) for a, b in pairs)
    return Budget("linf", max(1, largest))


def _files(
    protected: Path,
    manifest: dict[str, Any] | None,
    budget: Budget,
    clean: ImageSet,
    published: ImageSet,
) -> list[Doubt]:
    """Doubts about files that are not what the manifest says, or that break its budget."""
    if manifest is None:
        return []
    written = {file["name"]: file["sha256"] for file in manifest.get("files", [])}
    other = [name for name, digest in written.items() if not _is(protected / name, digest)]
    if other:
        sentence = f"{len(other)} of {len(written)} files are not as written, {other[0]} for one"
        return [Doubt("files", f"{sentence}: protect the images again.")]
    if clean.resized or published.resized:
        return []  # each file was compared at its own size when it was written
    lossy = {
        str(PurePosixPath(file["name"]).with_suffix(""))
        for file in manifest.get("files", [])
        if not file.get("lossless", True)  # its noise kept the budget before it was encoded
    }
    over = [
        name
        for name, a, b in zip(clean.names, clean.images, published.images, strict=True)
        if name not in lossy
        and not budget.admits((b.astype(np.int16) - a).transpose(2, 0, 1)[None])
    ]
    if over:
        sentence = f"{len(over)} files are further from their originals than the budget allows"
        return [Doubt("budget", f"{sentence}, {over[0]} for one: are these their originals?")]
    return []


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_file(path) == digest
