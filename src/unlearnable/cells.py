"""The cells of an audit: one trained model each, and a file as soon as it is done."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlearnable.arms import Arm
from unlearnable.countermeasures import Named
from unlearnable.data.imageset import ImageSet
from unlearnable.data.quality import survived
from unlearnable.errors import BusyError
from unlearnable.freezing import frozen
from unlearnable.learner import Learner
from unlearnable.models import make_model
from unlearnable.noise import Budget
from unlearnable.runtime import Run, silent
from unlearnable.schedules import Schedule
from unlearnable.scoring import confusion, mean_recall, recalls, verification
from unlearnable.storage import (
    finite,
    locked,
    open_new,
    private_folder,
    replacing,
    sha256_json,
    wait_locked,
    write_json,
)
from unlearnable.training import CURVE, Fitted, embeddings, fit
from unlearnable.verdict import Doubt

PROBE_STEPS = 3


@dataclass(frozen=True)
class Cell:
    """One model to be trained, under one schedule on given files."""

    arm: Arm
    countermeasure: Named
    model: str
    seed: int
    settings: dict[str, Any]

    @property
    def id(self) -> str:
        """A name that changes with any setting and any pixel that the result depends on."""
        return sha256_json([self.arm.name, self.model, self.seed, self.settings])[:16]

    @property
    def about(self) -> str:
        """What it is, in one line."""
        with_it = "" if self.countermeasure.name == "none" else f" {self.countermeasure.name}"
        return f"{self.arm.name}{with_it} {self.model} seed {self.seed}"


@dataclass(frozen=True)
class AuditPlan:
    """What is about to be done, said before it is done."""

    cells: int
    finished: int
    train: int
    test: int
    heldout: int
    classes: int
    schedule: Schedule
    countermeasures: tuple[str, ...]
    doubts: tuple[str, ...]
    seconds: float
    hardware: dict[str, object]


@dataclass(eq=False)
class Bench:
    """The images of one audit, and where its cells go.

    With `verifies` a cell also says how well a model's embeddings tell whether two test images are
    of one class, beside the pixels themselves.
    """

    clean: ImageSet
    published: ImageSet
    test: ImageSet
    budget: Budget
    schedule: Schedule
    run: Run
    out: Path
    heldout: ImageSet | None = None
    verifies: bool = False

    def cell(self, arm: Arm, countermeasure: Named, model: str, seed: int) -> Cell:
        """The cell of an arm, a countermeasure, a model and a seed on these images."""
        clean, published, test, heldout = self._digests
        settings = {
            "schedule": self.schedule.settings(),
            "countermeasure": list(countermeasure.settings),
            "precision": self.run.precision,
            "clean": clean,
            "train": published if arm.protected else clean,
            "test": test,
            "heldout": heldout if countermeasure.does.needs_heldout else None,
            "noise": asdict(self.budget) if arm.kind == "random" else None,
        }
        return Cell(arm, countermeasure, model, seed, settings)

    def plan(self, cells: Sequence[Cell], doubts: Sequence[Doubt] = ()) -> AuditPlan:
        """What `announce` is told."""
        missing = [cell for cell in cells if not self.path(cell).exists()]
        each = {model: self._seconds(model) for model in {cell.model for cell in missing}}
        return AuditPlan(
            cells=len(cells),
            finished=len(cells) - len(missing),
            train=len(self.clean),
            test=len(self.test),
            heldout=0 if self.heldout is None else len(self.heldout),
            classes=len(self.test.classes),
            schedule=self.schedule,
            countermeasures=tuple({cell.countermeasure.name: None for cell in cells}),
            doubts=tuple(doubt.sentence for doubt in doubts),
            seconds=sum(each[cell.model] * cell.countermeasure.does.cost for cell in missing),
            hardware=self.run.hardware(),
        )

    def work(self, cells: Sequence[Cell]) -> int:
        """Run every cell that is not there yet; gives how many another process is running."""
        elsewhere = 0
        (self.out / "cells").mkdir(parents=True, exist_ok=True)
        missing = [cell for cell in cells if not self.path(cell).exists()]
        for place, cell in enumerate(missing):
            state = self.out / "state" / cell.id
            state.mkdir(parents=True, exist_ok=True)
            try:
                with locked(state):
                    if not self.path(cell).exists():
                        result = self._record(cell, self._train(cell, state, place, len(missing)))
                        write_json(self.path(cell), result)
                    for left in state.glob("*.safetensors"):
                        left.unlink()
            except BusyError:
                elsewhere += 1
        return elsewhere

    def _train(self, cell: Cell, state: Path, place: int, count: int) -> Fitted:
        def tell(stage: str, done: float, /, **figures: object) -> None:
            about = f"{cell.about} ({place + 1}/{count})"
            self.run.tell("audit", (place + done) / count, cell=about, **figures)

        run = replace(self.run, seed=cell.seed, state=state, tell=tell)
        images = cell.arm.images(self.clean, self.published, self.budget, run)
        train = self._prepared(images, cell.countermeasure)
        model = make_model(
            cell.model,
            len(self.test.classes),
            self.schedule.shorter(train.size),
            channels=train.channels,
            seed=run.seeded("model").seed,
        )
        return fit(
            model,
            train,
            schedule=cell.arm.schedule(self.schedule),
            run=run,
            test=self.test,
            heldout=self.heldout if cell.countermeasure.does.needs_heldout else None,
            countermeasure=cell.countermeasure.does,
        )

    def survived(self, countermeasure: Named) -> float | None:
        """The share of the noise that it leaves in stored images; none if it leaves them alone."""
        if "prepare" not in countermeasure.does.hooks:
            return None
        left = self._prepared(self.published, countermeasure).images
        bare = self._prepared(self.clean, countermeasure).images
        return survived(zip(self.clean.images, self.published.images, bare, left, strict=True))

    def _prepared(self, images: ImageSet, countermeasure: Named) -> ImageSet:
        """The images as the countermeasure leaves them, made once for all models and seeds."""
        does = countermeasure.does
        if "prepare" not in does.hooks:
            return images
        name = sha256_json([images.digest(), countermeasure.settings, self.run.seed])[:16]
        folder = private_folder(self.out / "prepared")
        path = folder / f"{name}.npy"
        state = private_folder(folder / name)
        with wait_locked(state):
            if not path.exists():
                run = replace(self.run.seeded("prepare"), state=state)
                made = does.prepare(images, run=run).images
                with (
                    replacing(path, private=True) as unfinished,
                    open_new(unfinished, private=True) as file,
                ):
                    np.save(file, made, allow_pickle=False)
                for left in state.glob("*.safetensors"):
                    left.unlink()
        return replace(images, images=np.load(path, allow_pickle=False))

    def _record(self, cell: Cell, fitted: Fitted) -> dict[str, Any]:
        """What is kept of a trained model."""
        assert fitted.predictions is not None, "a cell without test images"
        labels, predictions = self.test.labels, fitted.predictions
        classes = len(self.test.classes)
        curve = [asdict(point) for point in fitted.curve]
        accuracy = mean_recall(predictions, labels, classes)
        return {
            "id": cell.id,
            "arm": cell.arm.name,
            "countermeasure": cell.countermeasure.name,
            "model": cell.model,
            "seed": cell.seed,
            "accuracy": accuracy,
            "peak_accuracy": max(accuracy, *(point["accuracy"] for point in curve)),
            "epoch": fitted.epoch,
            "epochs": len(curve),
            "chance": 1 / classes,
            "seconds": round(fitted.seconds, 1),
            "settings": cell.settings,
            "hardware": self.run.hardware(),
            "unlearnable": version("unlearnable"),
            "curve": curve,
            "recall": [finite(recall) for recall in recalls(predictions, labels, classes)],
            "confusion": confusion(predictions, labels, classes).tolist(),
            "predictions": " ".join(map(str, predictions)),
            **(self._verification(fitted) if self.verifies else {}),
        }

    def _verification(self, fitted: Fitted) -> dict[str, Any]:
        run, test = self.run, self.test
        found = embeddings(frozen(fitted.model, run.dtype), test, run)
        pixels = test.images.reshape(len(test), -1).astype(np.float32)
        return {
            "verification": asdict(verification(found, test.labels)),
            "pixels": asdict(verification(pixels, test.labels)),
        }

    @cached_property
    def _digests(self) -> tuple[str, str, str, str | None]:
        heldout = None if self.heldout is None else self.heldout.digest()
        return self.clean.digest(), self.published.digest(), self.test.digest(), heldout

    def path(self, cell: Cell) -> Path:
        """The file of a finished cell."""
        return self.out / "cells" / f"{cell.id}.json"

    def _seconds(self, model: str) -> float:
        """About how long one cell will take, from a few steps on a model of that kind."""
        network = make_model(
            model,
            len(self.test.classes),
            self.schedule.shorter(self.clean.size),
            channels=self.clean.channels,
        )
        learner = Learner(network, self.run, momentum=0.9, weight_decay=0.0, clip=None)
        count = min(self.schedule.batch_size, len(self.clean))
        some = self.clean.take(np.arange(count)).at(self.schedule.side)
        x = self.run.upload(some.images).float().div_(255)
        y = torch.from_numpy(self.clean.labels[:count]).to(self.run.device)
        for _ in range(learner.warm_up):
            learner.step(x, y, 0.0).item()
        started = time.perf_counter()
        for _ in range(PROBE_STEPS):
            learner.step(x, y, 0.0).item()
        each = (time.perf_counter() - started) / PROBE_STEPS / count
        tested = min(CURVE, len(self.test))
        return each * self.schedule.epochs * (len(self.clean) + 0.25 * tested)


def work_together(bench: Bench, cells: Sequence[Cell], jobs: int) -> int:
    """Do `bench.work` in so many processes, each with its share of the processor's threads.

    Several GPUs take a process each, and threads of a processor get in each other's way; on one GPU
    nothing is gained, as steps that are recorded keep it busy with small models too. The cells'
    locks see to it that each is run once.
    """
    threads = max(1, bench.run.threads // jobs)
    places = bench.run.everywhere()
    first, *others = (places[job % len(places)] for job in range(jobs))
    bench = replace(bench, run=first)
    context = multiprocessing.get_context("spawn")
    helpers = [
        context.Process(
            target=_help,
            args=(replace(bench, run=replace(other, tell=silent)), cells, threads),
            daemon=True,
        )
        for other in others
    ]
    for helper in helpers:
        helper.start()
    with bench.run.on_threads(threads):
        bench.work(cells)
        for helper in helpers:
            helper.join()
        return bench.work(cells)  # what a helper that was killed left undone


def _help(bench: Bench, cells: Sequence[Cell], threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process hears it, and ends the others
    with bench.run.on_threads(threads):
        bench.work(cells)
