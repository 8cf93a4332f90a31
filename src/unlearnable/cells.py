"""The cells of an audit: one trained model each, and a file as soon as it is done."""

from __future__ import annotations

import math
import multiprocessing
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import BusyError, SettingError
from unlearnable.models import make_model
from unlearnable.noise import Budget, seal
from unlearnable.runtime import Run, silent
from unlearnable.schedules import Schedule
from unlearnable.scoring import confusion, mean_recall, recalls
from unlearnable.storage import locked, sha256_json, write_json
from unlearnable.training import Learner, fit

Arm = Literal["clean", "protected", "random"]
ARMS: tuple[Arm, ...] = ("clean", "protected", "random")
PROBE_STEPS = 3


@dataclass(frozen=True)
class Cell:
    """One model to be trained: an arm, a model and a seed, under one schedule on given files."""

    arm: Arm
    model: str
    seed: int
    settings: dict[str, Any]

    @property
    def id(self) -> str:
        """A name that changes with any setting and any pixel that the result depends on."""
        return sha256_json([self.arm, self.model, self.seed, self.settings])[:16]


@dataclass(frozen=True)
class AuditPlan:
    """What is about to be done, said before it is done."""

    cells: int
    finished: int
    train: int
    test: int
    classes: int
    schedule: Schedule
    seconds: float
    hardware: dict[str, object]


@dataclass(eq=False)
class Bench:
    """The images of one audit, and where its cells go."""

    clean: ImageSet
    published: ImageSet
    test: ImageSet
    budget: Budget
    schedule: Schedule
    run: Run
    out: Path

    def cell(self, arm: Arm, model: str, seed: int) -> Cell:
        """The cell of an arm, a model and a seed on these images."""
        settings = {
            "schedule": asdict(self.schedule),
            "countermeasure": "none",
            "precision": self.run.precision,
            "clean": self._digests[0],
            "train": self._digests[1 if arm == "protected" else 0],
            "test": self._digests[2],
            "noise": asdict(self.budget) if arm == "random" else None,
        }
        return Cell(arm, model, seed, settings)

    def plan(self, cells: Sequence[Cell]) -> AuditPlan:
        """What `announce` is told."""
        missing = [cell for cell in cells if not self.path(cell).exists()]
        each = {model: self._seconds(model) for model in {cell.model for cell in missing}}
        return AuditPlan(
            cells=len(cells),
            finished=len(cells) - len(missing),
            train=len(self.clean),
            test=len(self.test),
            classes=len(self.test.classes),
            schedule=self.schedule,
            seconds=sum(each[cell.model] for cell in missing),
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
                        result = self._train(cell, state, place, len(missing))
                        write_json(self.path(cell), result)
                    (state / "fit.safetensors").unlink(missing_ok=True)
            except BusyError:
                elsewhere += 1
        return elsewhere

    def _train(self, cell: Cell, state: Path, place: int, count: int) -> dict[str, Any]:
        def tell(stage: str, done: float, /, **figures: object) -> None:
            about = f"{cell.arm} {cell.model} seed {cell.seed} ({place + 1}/{count})"
            self.run.tell("audit", (place + done) / count, cell=about, **figures)

        run = replace(self.run, seed=cell.seed, state=state, tell=tell)
        train = self._training_set(cell, run)
        classes = len(self.test.classes)
        model = make_model(
            cell.model,
            classes,
            min(train.size),
            channels=train.channels,
            seed=run.seeded("model").seed,
        )
        fitted = fit(model, train, schedule=self.schedule, run=run, test=self.test)
        assert fitted.predictions is not None, "a cell without test images"
        labels, predictions = self.test.labels, fitted.predictions
        curve = [asdict(point) for point in fitted.curve]
        return {
            "id": cell.id,
            "arm": cell.arm,
            "countermeasure": "none",
            "model": cell.model,
            "seed": cell.seed,
            "accuracy": mean_recall(predictions, labels, classes),
            "peak_accuracy": max(point["accuracy"] for point in curve),
            "chance": 1 / classes,
            "seconds": round(fitted.seconds, 1),
            "settings": cell.settings,
            "hardware": run.hardware(),
            "unlearnable": version("unlearnable"),
            "curve": curve,
            "recall": [
                None if math.isnan(r) else r for r in recalls(predictions, labels, classes).tolist()
            ],
            "confusion": confusion(predictions, labels, classes).tolist(),
            "predictions": predictions.tolist(),
        }

    def _training_set(self, cell: Cell, run: Run) -> ImageSet:
        if cell.arm == "protected":
            return self.published
        if cell.arm == "clean":
            return self.clean
        return with_random_noise(self.clean, self.budget, run)

    @cached_property
    def _digests(self) -> tuple[str, str, str]:
        return self.clean.digest(), self.published.digest(), self.test.digest()

    def path(self, cell: Cell) -> Path:
        """The file of a finished cell."""
        return self.out / "cells" / f"{cell.id}.json"

    def _seconds(self, model: str) -> float:
        """About how long one cell will take, from a few steps on a model of that kind."""
        network = make_model(
            model, len(self.test.classes), min(self.clean.size), channels=self.clean.channels
        )
        learner = Learner(network, self.run, momentum=0.9, weight_decay=0.0, clip=None)
        count = min(self.schedule.batch_size, len(self.clean))
        x = self.run.upload(self.clean.images[:count]).float().div_(255)
        y = torch.from_numpy(self.clean.labels[:count]).to(self.run.device)
        learner.step(x, y, 0.0).item()
        started = time.perf_counter()
        for _ in range(PROBE_STEPS):
            learner.step(x, y, 0.0).item()
        each = (time.perf_counter() - started) / PROBE_STEPS / count
        return each * self.schedule.epochs * (len(self.clean) + 0.25 * len(self.test))


def work_together(bench: Bench, cells: Sequence[Cell], jobs: int) -> int:
    """Do `bench.work` in so many processes, each with its share of the processor's threads.

    Small models leave most of a GPU idle, and threads get in each other's way; the cells' locks
    see to it that each is run once.
    """
    threads = max(1, bench.run.threads // jobs)
    quiet = replace(bench, run=replace(bench.run, tell=silent))
    context = multiprocessing.get_context("spawn")
    helpers = [
        context.Process(target=_help, args=(quiet, cells, threads), daemon=True)
        for _ in range(jobs - 1)
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


def with_random_noise(images: ImageSet, budget: Budget, run: Run) -> ImageSet:
    """The same images with uniform noise of an L∞ budget, drawn anew for each.

    Raises:
        SettingError: another norm, for which "equal budget" has no uniform noise.
    """
    if budget.norm != "linf":
        raise SettingError(f"the random arm needs an L∞ budget, not {budget.norm}: leave it out.")
    rng = run.rng("random arm")
    shape = (1, images.channels, *images.size)
    noisy = np.empty_like(images.images)
    for row, image in enumerate(images.images):
        levels = rng.uniform(-budget.size, budget.size, shape)
        noisy[row] = seal(levels, form="sample-wise", budget=budget).add_to(image, 0)
    return replace(images, images=noisy)
