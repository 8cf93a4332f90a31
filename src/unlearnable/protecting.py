"""protect(): images in, noise found, protected files out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from unlearnable.data.among import among
from unlearnable.data.encoding import AS_PNG, Writing
from unlearnable.data.folder import (
    private_beside,
    refuse_occupied,
    refuse_overlap,
    refuse_unkeepable,
)
from unlearnable.data.imageset import ImageSet
from unlearnable.data.part import Part
from unlearnable.data.sources import DATA_DIR, Source, open_images
from unlearnable.errors import SettingError
from unlearnable.job import Job, Plan, Protection
from unlearnable.methods import Method, make_method, usual_method
from unlearnable.noise import Budget
from unlearnable.runtime import Tell, silent
from unlearnable.storage import (
    kind_at,
    locked,
    private_folder,
)


def protect(
    source: Source,
    destination: Path | str,
    *,
    method: Method | str | None = None,
    budget: Budget | None = None,
    rate: float = 1.0,
    classes: Sequence[str] = (),
    named: str | None = None,
    background: Source | None = None,
    size: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    writing: Writing = AS_PNG,
    cache: Path | None = None,
    data_dir: Path | str = DATA_DIR,
    download: bool = False,
    skip_unreadable: bool = False,
    resume: bool = False,
    tell: Tell = silent,
    announce: Callable[[Plan], None] = lambda plan: None,
) -> Protection:
    """Give a folder of images back, looking the same, protected.

    `destination` gets the source's tree and names and nothing else. Beside it,
    `destination.private` keeps the noise, the seed, the checkpoints and the manifest: whoever has
    them can take the noise off again. The source is never written to.

    Args:
        source: what `open_images` takes.
        destination: a folder that is not there yet, or is empty.
        method: a method, or its name; by default `em`, and of `named` photos `tap` away from them.
        budget: by default what the method was published with, L∞ 8.
        rate: share of the images of each class to protect; the others are written as they are,
            and the search learns from them too.
        classes: the classes to protect; all if none are named.
        named: take the source as photos of one class, called so; class-wise noise for it, a key, is
            found among the classes of a background, and only these photos are written.
        background: what `open_images` takes: pictures of the same kind, of other classes.
        size: working size for images of mixed sizes, in pixels.
        seed: decides every draw, and is part of the key; by default drawn from the system.
        device: "auto", "cpu", "cuda", …
        writing: in which format files are written, PNG by default, and what they tell.
        cache: a private folder for surrogates trained on clean images, which other searches on the
            same images, with the same seed, take from there.
        data_dir: where torchvision's data sets lie.
        download: fetch a torchvision data set that is not there.
        skip_unreadable: leave out, and list, images that cannot be read.
        resume: go on with an interrupted run; begins anew if there is none.
        tell: hears of progress.
        announce: hears the plan before the work begins.

    Raises:
        UnlearnableError: something that the caller can put right.

    Example:
        >>> import tempfile
        >>> from unlearnable.data.shapes import shapes
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     done = protect(shapes(20), f"{folder}/out", method="random", seed=1)
        ...     done.manifest["largest_change"]
        8
    """
    part = Part(rate, (named,) if named else tuple(classes))
    if method is None:
        method = usual_method(named is not None)
    elif isinstance(method, str):
        method = make_method(method, {"form": "class-wise"} if named else None)
    if named and (classes or rate < 1 or method.form != "class-wise"):
        raise SettingError(
            "--as finds a key for one class and protects all of its photos: leave out --classes, "
            "--rate and --form sample-wise."
        )
    budget = budget or method.published
    if budget.norm not in method.norms:
        raise SettingError(
            f"--norm {budget.norm}: this noise is made under {' or '.join(method.norms)}."
        )
    destination = Path(destination).expanduser()
    origin = Path(source).expanduser() if isinstance(source, str | Path) else None
    if origin is not None and kind_at(origin):
        refuse_overlap(destination, origin)
    refuse_occupied(destination, resume=resume)  # before the images are read, and again below
    images = _open(
        source,
        named,
        background,
        size=size,
        data_dir=data_dir,
        download=download,
        skip_unreadable=skip_unreadable,
    )
    refuse_unkeepable(images, writing)
    private = private_folder(private_beside(destination))
    with locked(private):
        refuse_occupied(destination, resume=resume)
        job = Job.begin(
            images,
            method,
            budget,
            part=part,
            named=named,
            destination=destination,
            private=private,
            seed=seed,
            device=device,
            cache=cache,
            writing=writing,
            tell=tell,
            resume=resume,
        )
        announce(job.plan())
        return job.finish(job.search())


def _open(
    source: Source,
    named: str | None,
    background: Source | None,
    *,
    skip_unreadable: bool,
    **how: Any,
) -> ImageSet:
    """The images of the search: the source's, or one's own photos among those of a background."""
    if (named is None) != (background is None):
        raise SettingError(
            "--as NAME and --background SET go together: my photos are one class, called NAME, "
            "among the classes of SET."
        )
    if named is None or background is None:
        return open_images(source, skip_unreadable=skip_unreadable, **how)
    if not isinstance(source, str | Path):
        raise SettingError("--as takes a folder of photos.")
    others = open_images(background, skip_unreadable=skip_unreadable, **how)
    return among(source, named, others, skip_unreadable=skip_unreadable)
