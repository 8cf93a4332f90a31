"""protect(): images in, noise found, protected files out."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.encoding import AS_PNG, Writing
from unlearnable.data.folder import (
    MANIFEST,
    private_beside,
    refuse_occupied,
    refuse_overlap,
    refuse_unkeepable,
    unfinished_in,
    write,
)
from unlearnable.data.imageset import ImageSet
from unlearnable.data.part import Part
from unlearnable.data.sources import DATA_DIR, Source, open_images
from unlearnable.errors import SettingError, SourceError
from unlearnable.methods import METHODS, Method, make_method
from unlearnable.methods.calibration import as_before, calibrate
from unlearnable.methods.layout import noise_shape
from unlearnable.noise import Budget, Noise, seal
from unlearnable.runtime import Run, Tell, silent
from unlearnable.settings import as_dict
from unlearnable.storage import (
    kind_at,
    locked,
    map_new,
    naming_the_place,
    private_folder,
    read_json,
    write_json,
)

SEED_BITS = 48


@dataclass(frozen=True)
class Plan:
    """What is about to be done, said before it is done.

    Attributes:
        images, classes: how many.
        protected: how many of the images are to be protected.
        size: working size in pixels, (height, width); `resized` if images have sizes of their own.
        method: the method with its settings.
        budget: of the noise.
        destination, private: what will be published, and what must be kept.
        seconds: about how long the search will take here; None if it needs none.
        hardware: what it runs on.
        skipped: files that could not be read.
        ignored: number of files that are no images.
    """

    images: int
    protected: int
    classes: int
    size: tuple[int, int]
    resized: bool
    method: Method
    budget: Budget
    destination: Path
    private: Path
    seconds: float | None
    hardware: dict[str, object]
    skipped: tuple[str, ...]
    ignored: int


@dataclass(frozen=True, eq=False)
class Protection:
    """What `protect` did.

    Attributes:
        destination: the protected folder, which holds images only.
        private: the folder beside it that must not be published.
        noise: the noise, memory-mapped.
        manifest: everything worth remembering; also `private/manifest.json`.
        skipped: files that could not be read and have no protected copy.
    """

    destination: Path
    private: Path
    noise: Noise
    manifest: dict[str, Any]
    skipped: tuple[str, ...]


def protect(
    source: Source,
    destination: Path | str,
    *,
    method: Method | str = "em",
    budget: Budget | None = None,
    rate: float = 1.0,
    classes: Sequence[str] = (),
    size: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    writing: Writing = AS_PNG,
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
        method: a method, or its name.
        budget: by default what the method was published with, L∞ 8.
        rate: share of the images of each class to protect; the others are written as they are,
            and the search learns from them too.
        classes: the classes to protect; all if none are named.
        size: working size for images of mixed sizes, in pixels.
        seed: decides every draw, and is part of the key; by default drawn from the system.
        device: "auto", "cpu", "cuda", …
        writing: in which format files are written, PNG by default, and what they tell.
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
    method = make_method(method) if isinstance(method, str) else method
    budget = budget or method.published
    destination = Path(destination).expanduser()
    origin = Path(source).expanduser() if isinstance(source, str | Path) else None
    if origin is not None and kind_at(origin):
        refuse_overlap(destination, origin)
    refuse_occupied(destination, resume=resume)  # before the images are read, and again below
    images = open_images(
        source, size=size, data_dir=data_dir, download=download, skip_unreadable=skip_unreadable
    )
    refuse_unkeepable(images, writing)
    private = private_folder(private_beside(destination))
    with locked(private):
        refuse_occupied(destination, resume=resume)
        job = _Job.begin(
            images,
            method,
            budget,
            part=Part(rate, tuple(classes)),
            destination=destination,
            private=private,
            seed=seed,
            device=device,
            writing=writing,
            tell=tell,
            resume=resume,
        )
        announce(job.plan())
        return job.finish(job.search())


@dataclass
class _Job:
    """One run of `protect`, from its manifest to its files."""

    images: ImageSet
    method: Method
    budget: Budget
    destination: Path
    private: Path
    run: Run
    manifest: dict[str, Any]
    seconds: float | None
    chosen: NDArray[np.bool_]
    writing: Writing

    @classmethod
    def begin(
        cls,
        images: ImageSet,
        method: Method,
        budget: Budget,
        *,
        part: Part,
        destination: Path,
        private: Path,
        seed: int | None,
        device: str,
        writing: Writing,
        tell: Tell,
        resume: bool,
    ) -> _Job:
        """Write down what is to be done, or find what was being done."""
        path = private / MANIFEST
        before = read_json(path) if resume and path.exists() else None
        if seed is None:
            seed = before["settings"]["seed"] if before else secrets.randbits(SEED_BITS)
        run = Run.start(device, seed=seed, tell=tell, state=private)
        if before is not None:
            method = as_before(method, before["settings"]["method_settings"])
        method, seconds = calibrate(method, images, run)  # early: it may refuse the model
        settings = {
            "method": _name(method),
            "method_settings": as_dict(method),
            "budget": asdict(budget),
            "size": list(images.size),
            "seed": seed,
            "precision": run.precision,
            "writing": asdict(writing),
            **part.settings(),
        }
        chosen = part.of(images, run.rng("part"))
        manifest = {
            "unlearnable": version("unlearnable"),
            "state": "begun",
            "source": images.source,
            "source_digest": images.digest(),
            "images": len(images),
            "protected": int(chosen.sum()),
            "classes": list(images.classes),
            "skipped": list(images.skipped),
            "settings": settings,
            "hardware": run.hardware(),
        }
        if before is not None:
            _refuse_other_job(before, manifest, private)
            manifest = before
        else:
            write_json(path, manifest, private=True)
        return cls(
            images,
            method,
            budget,
            destination,
            private,
            run,
            manifest,
            seconds,
            chosen,
            writing,
        )

    def plan(self) -> Plan:
        """What `announce` is told."""
        return Plan(
            images=len(self.images),
            protected=int(self.chosen.sum()),
            classes=len(self.images.classes),
            size=self.images.size,
            resized=self.images.resized,
            method=self.method,
            budget=self.budget,
            destination=self.destination,
            private=self.private,
            seconds=self.seconds,
            hardware=self.run.hardware(),
            skipped=self.images.skipped,
            ignored=self.images.ignored,
        )

    def search(self) -> Noise:
        """Find the noise, or open it if it was found already."""
        file = self.private / "noise.npy"
        if "search" in self.manifest:
            return Noise.load(file)
        started = time.monotonic()
        scratch = self.private / "levels.npy"
        shape = noise_shape(self.images, self.method.form)
        with naming_the_place(scratch):
            levels = map_new(scratch, np.float32, shape)
        facts = self.method(self.images, self.budget, run=self.run, out=levels, chosen=self.chosen)
        levels[self._rows_without_noise()] = 0
        made_by = {
            key: self.manifest[key] for key in ("unlearnable", "settings", "classes", "source")
        }
        noise = seal(levels, form=self.method.form, budget=self.budget, made_by=made_by, file=file)
        del levels
        scratch.unlink()
        self.manifest["search"] = {**facts, "seconds": round(time.monotonic() - started, 1)}
        self._remember("searched")
        return noise

    def _rows_without_noise(self) -> NDArray[np.bool_]:
        """The rows of the noise that belong to no image that is to be protected."""
        if self.method.form == "sample-wise":
            return ~self.chosen
        counts = np.bincount(self.images.labels[self.chosen], minlength=len(self.images.classes))
        return counts == 0

    def finish(self, noise: Noise) -> Protection:
        """Write the files, and what was found when they were read back."""
        self.destination.mkdir(parents=True, exist_ok=True)
        count = len(self.images)

        def tell(done: int) -> None:
            self.run.tell("write", done / count, files=f"{done}/{count}")

        with unfinished_in(self.private) as scratch:
            written = write(
                self.images,
                noise,
                self.destination,
                scratch=scratch,
                writing=self.writing,
                chosen=self.chosen,
                tell=tell,
            )
        changed = list(compress(written, self.chosen))
        self.manifest.update(
            largest_change=max(file.change for file in changed),
            psnr=round(float(np.mean([file.psnr for file in changed])), 2),
            ssim=round(float(np.mean([file.ssim for file in changed])), 4),
            lossy=sum(not file.lossless for file in changed),
            survived=round(float(np.mean([file.survived for file in changed])), 3),
            files=[asdict(file) for file in written],
        )
        self._remember("complete")
        return Protection(self.destination, self.private, noise, self.manifest, self.images.skipped)

    def _remember(self, state: str) -> None:
        self.manifest["state"] = state
        write_json(self.private / MANIFEST, self.manifest, private=True)


def _name(method: Method) -> str:
    for name, cls in METHODS.items():
        if cls is type(method):
            return name
    return type(method).__name__


def _refuse_other_job(before: dict[str, Any], now: dict[str, Any], private: Path) -> None:
    """Refuse to go on with a run that was about something else."""
    if before["source_digest"] != now["source_digest"]:
        raise SourceError(
            f"the images are not those of the interrupted run in {private}: restore them, or "
            "choose another destination."
        )
    old, new = _flat(before["settings"]), _flat(now["settings"])
    for key in old | new:
        if old.get(key) != new.get(key):
            raise SettingError(
                f"--resume: the interrupted run had {key}={old.get(key)}, not {new.get(key)}: "
                "give the same settings, or choose another destination."
            )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings within settings under dotted names, such as `budget.size`."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        inner = value if isinstance(value, dict) else None
        flat.update({key: value} if inner is None else {f"{key}.{k}": v for k, v in inner.items()})
    return flat
