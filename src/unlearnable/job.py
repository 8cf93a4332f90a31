"""One run of `protect`: what is planned, what is done, and what came of it."""

from __future__ import annotations

import secrets
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.encoding import Writing
from unlearnable.data.folder import (
    MANIFEST,
    unfinished_in,
    write,
)
from unlearnable.data.imageset import ImageSet
from unlearnable.data.manifest import refuse_another_job
from unlearnable.data.part import Part
from unlearnable.errors import SourceError
from unlearnable.methods import Method, name_of
from unlearnable.methods.calibration import as_before, calibrate
from unlearnable.methods.layout import noise_shape
from unlearnable.noise import Budget, Noise, seal
from unlearnable.report.contact import ContactSheet
from unlearnable.runtime import Run, Tell
from unlearnable.settings import as_dict
from unlearnable.storage import (
    map_new,
    naming_the_place,
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
        named: what the class of these is called, if the others are a background.
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
    named: str | None
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


@dataclass
class Job:
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
        named: str | None,
        destination: Path,
        private: Path,
        seed: int | None,
        device: str,
        cache: Path | None,
        writing: Writing,
        tell: Tell,
        resume: bool,
    ) -> Job:
        """Write down what is to be done, or find what was being done."""
        path = private / MANIFEST
        before = read_json(path) if resume and path.exists() else None
        if seed is None:
            seed = before["settings"]["seed"] if before else secrets.randbits(SEED_BITS)
        run = Run.start(device, seed=seed, tell=tell, state=private, cache=cache)
        if before is not None:
            method = as_before(method, before["settings"]["method_settings"])
        chosen = part.of(images, run.rng("part"))
        share = float(chosen.mean())
        method, seconds = calibrate(method, images, run, share)  # early: it may refuse the model
        settings = {
            "method": name_of(method),
            "method_settings": as_dict(method),
            "budget": asdict(budget),
            "size": list(images.size),
            "seed": seed,
            "precision": run.precision,
            "writing": asdict(writing),
            **part.settings(),
        }
        manifest = {
            "unlearnable": version("unlearnable"),
            "state": "begun",
            "source": images.source,
            "source_digest": images.digest(),
            "images": len(images),
            "protected": int(chosen.sum()),
            "classes": list(images.classes),
            "named": named,
            "skipped": list(images.skipped),
            "settings": settings,
            "hardware": run.hardware(),
        }
        if before is not None:
            refuse_another_job(before, manifest, private)
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
            named=self.manifest["named"],
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
        if self.manifest["named"] and facts.get("known"):
            raise SourceError(
                f"the surrogate tells {self.manifest['named']} from the background, noise or none, "
                "so none is found that would help: give a background of pictures of the same "
                "kind, by --background, or allow more noise, by --epsilon."
            )
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
        images, chosen = self.images, self.chosen
        if self.manifest["named"]:  # the background is not theirs to publish
            images, chosen = images.take(np.flatnonzero(chosen)), chosen[chosen]
        count = len(images)

        def tell(done: int) -> None:
            self.run.tell("write", done / count, files=f"{done}/{count}")

        sheet = ContactSheet([images.names[row] for row in np.flatnonzero(chosen)])
        with unfinished_in(self.private) as scratch:
            written = write(
                images,
                noise,
                self.destination,
                scratch=scratch,
                writing=self.writing,
                chosen=chosen,
                look=sheet.look,
                tell=tell,
            )
        sheet.write(self.private)
        changed = list(compress(written, chosen))
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
