"""Where experiments are done: data opened, noises found, models trained, each result kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from unlearnable.arms import make_arms
from unlearnable.cells import Bench, Cell, work_together
from unlearnable.countermeasures import make_countermeasure
from unlearnable.data.folder import MANIFEST, private_beside
from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import Source, open_images
from unlearnable.data.tree import Split
from unlearnable.errors import SettingError, SourceError
from unlearnable.experiment import Data, NoiseSpec, Trial, named
from unlearnable.methods import Method, make_method
from unlearnable.methods.calibration import calibrate
from unlearnable.methods.transferred import Transferred
from unlearnable.noise import Budget
from unlearnable.pairing import matched, paired, split
from unlearnable.protecting import protect
from unlearnable.provenance import code_hash, commit
from unlearnable.runtime import Run, Tell
from unlearnable.schedules import Schedule
from unlearnable.storage import private_folder, read_json, sha256_json, write_bytes, write_json

TRAINING = ("unlearnable.training", "unlearnable.models", "unlearnable.arms")
PROTECTING = ("unlearnable.noise",)
BENCH = (*TRAINING, "unlearnable.cells", "unlearnable.countermeasures")
LIBRARIES = ("unlearnable", "torch", "torchvision", "numpy", "pillow")
KEPT = (
    *("accuracy", "peak_accuracy", "recall", "confusion", "epoch", "epochs", "seconds"),
    *("curve", "hardware", "verification", "pixels"),
)
"""What the record of a training has of its cell."""
FOUND = ("seconds", "errors", "reached", "taken", "unmoved", "loss", "losses", "error")
"""What it has of the search of its noise."""


@dataclass(eq=False)
class Workshop:
    """A folder of experiments.

    `out/cells` holds a record for each training, and may be shown to anybody; `out/work` is
    private and holds noises, protected images and what is needed to go on.
    """

    out: Path
    run: Run
    sources: Mapping[str, Source]
    data_dir: Path
    download: bool
    command: str
    jobs: int | None = None
    opened: dict[Data, tuple[ImageSet, ImageSet]] = field(default_factory=dict)
    published: dict[tuple[Data, NoiseSpec], ImageSet] = field(default_factory=dict)

    def path(self, trial: Trial) -> Path:
        """The record of a training."""
        return self.out / "cells" / f"{trial.id}.json"

    def finished(self, trial: Trial) -> bool:
        """Whether the record is there, of the code as it is."""
        path = self.path(trial)
        return path.exists() and read_json(path)["code"] == code_of(trial)

    def noises_to_find(self, trials: Sequence[Trial]) -> list[tuple[Data, NoiseSpec]]:
        """What must be searched before these can be trained."""
        wanted = dict.fromkeys((t.data, t.noise) for t in trials if t.noise is not None)
        return [(data, noise) for data, noise in wanted if not self._protected(data, noise)[1]]

    def seconds(self, trials: Sequence[Trial], noises: Sequence[tuple[Data, NoiseSpec]]) -> float:
        """About how long these trainings and searches will take here."""
        spent = 0.0
        for data, noise in noises:
            images, _ = self.images(noise.found_on or data)
            spent += calibrate(_method(noise), images, self.run)[1] or 0.0
        kinds: dict[tuple[Data, Schedule], list[Trial]] = {}
        for trial in trials:
            kinds.setdefault((trial.data, trial.schedule), []).append(trial)
        for group in kinds.values():  # as if unprotected: noise takes no time to train on
            bench = self._bench(group[0], self.images(group[0].data)[0])
            spent += bench.plan([self._cell(bench, trial) for trial in group]).seconds
        return spent

    def train(self, trials: Sequence[Trial]) -> None:
        """Train, and keep a record of each as soon as its group is done."""
        done, jobs = 0, self.jobs or len(self.run.everywhere())
        (self.out / "cells").mkdir(parents=True, exist_ok=True)
        for _, together in groupby(trials, _images_of):
            group = list(together)
            bench = self._bench(group[0], self._published(group[0]))
            cells = [self._cell(bench, trial) for trial in group]
            bench.run = replace(self.run, tell=self._share(done, len(group), len(trials)))
            work_together(bench, cells, jobs)
            for trial, cell in zip(group, cells, strict=True):
                write_json(self.path(trial), self._record(trial, read_json(bench.path(cell))))
            done += len(group)

    def images(self, data: Data) -> tuple[ImageSet, ImageSet]:
        """The training and the test images of a data set.

        Raises:
            SourceError: it is not there.
            SettingError: the folder's other results are on other images of that name.
        """
        if data not in self.opened:
            train, test = self._split(data)
            if data.per_class is not None:
                train = train.first_of_each_class(data.per_class)
            for name, one, count in data.plus:
                others = self.images(Data(name))
                train = train.joined(others[0].only(one).first_of_each_class(count))
                test = test.joined(others[1].only(one))
            self._remember(data, train, test)
            self.opened[data] = train, test
        return self.opened[data]

    def _split(self, data: Data) -> tuple[ImageSet, ImageSet]:
        """The two parts of a data set; one without parts is split by a fixed draw."""
        train = self._open(data, "train")
        if data.kept is not None:
            test, train = split(train, data.kept, self.run.rng("kept"))
            return train, test
        return train, matched(self._open(data, "test"), train)

    def _open(self, data: Data, part: Split) -> ImageSet:
        try:
            return open_images(
                self.sources.get(data.name, data.name),
                split=part,
                size=data.size,
                data_dir=self.data_dir,
                download=self.download,
            )
        except SourceError as error:
            if data.name in self.sources:
                raise
            raise SourceError(f"{error} Or say where it is: --data {data.name}=PATH.") from error

    def _remember(self, data: Data, train: ImageSet, test: ImageSet) -> None:
        """Keep the hashes of a data set, or compare them with those that were kept."""
        path = self.out / "data.json"
        known = read_json(path) if path.exists() else {}
        found = {
            "train": train.digest(),
            "test": test.digest(),
            "images": [len(train), len(test)],
        }
        if known.setdefault(data.label, found) != found:
            raise SettingError(
                f"{self.out} holds results on other images of {data.name}: choose another --out, "
                f"or give the same images by --data {data.name}=PATH."
            )
        self.out.mkdir(parents=True, exist_ok=True)
        write_json(path, known)

    def _protected(self, data: Data, noise: NoiseSpec) -> tuple[Path, bool]:
        """The folder of protected images, and whether it is complete."""
        name = sha256_json([asdict(data), asdict(noise), code_hash(_modules(noise))])[:16]
        folder = work_folder(self.out) / "noises" / name
        manifest = private_beside(folder) / MANIFEST
        return folder, manifest.exists() and read_json(manifest)["state"] == "complete"

    def _published(self, trial: Trial) -> ImageSet:
        """The protected images of a training, read back from the disk; the clean ones if none."""
        clean, _ = self.images(trial.data)
        if trial.noise is None:
            return clean
        key = trial.data, trial.noise
        if key not in self.published:
            folder = self._protect(*key)
            self.published[key] = paired(open_images(folder, size=trial.data.size), clean)
        return self.published[key]

    def _protect(self, data: Data, noise: NoiseSpec) -> Path:
        """The folder of protected images, written if it is not complete."""
        folder, complete = self._protected(data, noise)
        if complete:
            return folder
        method = _method(noise)
        if noise.found_on is not None:
            other = self._protect(noise.found_on, replace(noise, found_on=None, classes=()))
            method = Transferred(noise=str(private_beside(other)))
        folder.parent.mkdir(exist_ok=True)
        images, _ = self.images(data)
        protect(
            images,
            folder,
            method=method,
            budget=_budget(noise),
            rate=noise.rate,
            classes=named(noise.classes, images.classes),
            seed=noise.seed,
            device=self.run.device,
            cache=private_folder(work_folder(self.out) / "surrogates"),
            resume=True,
            tell=self.run.tell,
        )
        return folder

    def _bench(self, trial: Trial, published: ImageSet) -> Bench:
        """The bench of a training and of all on the same images; other code begins another."""
        clean, test = self.images(trial.data)
        return Bench(
            clean,
            published,
            test,
            budget=_budget(trial.noise or NoiseSpec()),
            schedule=trial.schedule,
            run=self.run,
            out=private_folder(work_folder(self.out) / f"bench-{code_hash(BENCH)}"),
            verifies=trial.verifies,
        )

    def _cell(self, bench: Bench, trial: Trial) -> Cell:
        (arm, *_) = make_arms([trial.arm])
        return bench.cell(arm, make_countermeasure(trial.countermeasure), trial.model, trial.seed)

    def _record(self, trial: Trial, cell: dict[str, Any]) -> dict[str, Any]:
        """What is kept of a training: its figures, and all that they depend on."""
        return {
            "id": trial.id,
            "trial": asdict(trial),
            "about": trial.about,
            "data": read_json(self.out / "data.json")[trial.data.label],
            "code": code_of(trial),
            "commit": commit(),
            "command": self.command,
            "versions": {library: version(library) for library in LIBRARIES},
            "classes": list(self.images(trial.data)[1].classes),
            **({"noise": self._noise_made(trial.data, trial.noise)} if trial.noise else {}),
            **{key: cell[key] for key in KEPT if key in cell},
        }

    def _noise_made(self, data: Data, noise: NoiseSpec) -> dict[str, Any]:
        """What the manifest says of a noise: its budget, how visible it is, how long it took."""
        folder, _ = self._protected(data, noise)
        manifest = read_json(private_beside(folder) / MANIFEST)
        return {
            "budget": manifest["settings"]["budget"],
            "psnr": manifest["psnr"],
            "ssim": manifest["ssim"],
            **{key: manifest["search"][key] for key in FOUND if key in manifest["search"]},
        }

    def _share(self, done: int, group: int, count: int) -> Tell:
        """Progress of one group as progress of all."""

        def tell(stage: str, share: float, /, **figures: object) -> None:
            self.run.tell("train", (done + share * group) / count, **figures)

        return tell


def code_of(trial: Trial) -> str:
    """A hash of the code that a training depends on."""
    does = make_countermeasure(trial.countermeasure).does
    parts = getattr(does, "parts", (does,))
    modules = [*TRAINING, *(type(part).__module__ for part in parts)]
    return code_hash([*modules, *(_modules(trial.noise) if trial.noise else ())])


def work_folder(out: Path) -> Path:
    """The private part of a folder of experiments, which no commit takes along."""
    out.mkdir(parents=True, exist_ok=True)
    work = private_folder(out / "work")
    if not (work / ".gitignore").exists():
        write_bytes(work / ".gitignore", b"*\n")
    return work


def _modules(noise: NoiseSpec) -> list[str]:
    """The code that a noise depends on."""
    method = _method(noise)
    methods = [method, *getattr(method, "parts", ()), *([Transferred()] if noise.found_on else [])]
    return [*PROTECTING, *(type(method).__module__ for method in methods)]


def _images_of(trial: Trial) -> tuple[Data, NoiseSpec | None, Schedule, bool]:
    return trial.data, trial.noise, trial.schedule, trial.verifies


def _method(noise: NoiseSpec) -> Method:
    return make_method(noise.method, dict(noise.settings))


def _budget(noise: NoiseSpec) -> Budget:
    published = _method(noise).published
    return published if noise.epsilon is None else Budget(published.norm, noise.epsilon)
