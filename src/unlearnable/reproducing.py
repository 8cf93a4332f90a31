"""reproduce(): the trainings of a recipe, each kept as soon as it is done, and its table."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from unlearnable.data.sources import DATA_DIR, Source
from unlearnable.errors import SettingError, unknown
from unlearnable.experiment import Entry, Figure, Recipe, Trial, named
from unlearnable.recipes import RECIPES
from unlearnable.recipes.benchmark import Choice, benchmark
from unlearnable.recipes.scale import SCALES, Scale
from unlearnable.report.recipe import findings, write_recipe
from unlearnable.runtime import Run, Tell, silent
from unlearnable.storage import read_json
from unlearnable.workshop import Workshop, work_folder

FLOOR = 0.01
"""The least standard deviation that a repeated training is granted, in accuracy."""


@dataclass(frozen=True)
class ReproductionPlan:
    """What is about to be done, said before it is done.

    Attributes:
        trainings, finished: how many there are, and how many are there already.
        noises: how many must be found.
        seconds: about how long the trainings will take here.
        cuts: what is smaller than published.
        hardware: what it runs on.
    """

    trainings: int
    finished: int
    noises: int
    seconds: float
    cuts: tuple[str, ...]
    hardware: dict[str, object]


@dataclass(frozen=True, eq=False)
class Reproduction:
    """What `reproduce` found.

    Attributes:
        recipe: what was asked for.
        figures: what was measured, by row and column.
        cells: the record of each training, by its id.
        table, page, picture: the Markdown, HTML and SVG files.
    """

    recipe: Recipe
    figures: dict[tuple[str, str], Figure]
    cells: dict[str, dict[str, Any]]
    table: Path
    page: Path
    picture: Path

    @property
    def findings(self) -> list[tuple[str, str]]:
        """What the paper found, and whether it holds here."""
        return findings(self.recipe, self.figures)


def reproduce(
    name: str,
    *,
    scale: str = "quick",
    data: Mapping[str, Source] | None = None,
    only: Sequence[str] = (),
    choice: Choice | None = None,
    out: Path | str,
    device: str = "auto",
    jobs: int | None = None,
    data_dir: Path | str = DATA_DIR,
    download: bool = False,
    tell: Tell = silent,
    announce: Callable[[ReproductionPlan], None] = lambda plan: None,
) -> Reproduction:
    """Run a recipe of the paper: its noises, its trainings, its table beside the published one.

    A training is kept in `out/cells` as soon as it is done, and is shared by all recipes with the
    same `out`; it is run again only when the code that it depends on has changed. Other images
    under the name of a data set are refused.

    Args:
        name: of a recipe.
        scale: "quick", for two cores, or "paper", to the letter.
        data: where data sets are; one that is not named is opened by its own name.
        only: rows of the table; all if none are named.
        choice: what the bench is to try; its own choice if it is not given.
        out: a folder. What may be shown goes there; noises and whatever else is needed to go on
            are below `out/work`, which is private.
        device: "auto", "cpu", "cuda", …
        jobs: trainings at a time; by default one, or one for each GPU.
        data_dir: where torchvision's data sets lie.
        download: fetch a torchvision data set that is not there.
        tell: hears of progress.
        announce: hears the plan before the work begins.

    Raises:
        UnlearnableError: something that the caller can put right.
    """
    recipe = recipe_of(name, scale, choice).only(tuple(only))
    out = Path(out).expanduser()
    workshop = Workshop(
        out=out,
        run=Run.start(device, tell=tell),
        sources=data or {},
        data_dir=Path(data_dir),
        download=download,
        jobs=jobs,
        command=f"unlearnable reproduce {name} --scale {scale}",
    )
    trials = list(recipe.trials())
    missing = [trial for trial in trials if not workshop.finished(trial)]
    noises = workshop.noises_to_find(missing)
    plan = ReproductionPlan(
        trainings=len(trials),
        finished=len(trials) - len(missing),
        noises=len(noises),
        seconds=workshop.seconds(missing, noises),
        cuts=recipe.cuts,
        hardware=workshop.run.hardware(),
    )
    announce(plan)
    workshop.train(missing)
    return written(recipe, name, out)


def recipe_of(name: str, scale: str, choice: Choice | None = None) -> Recipe:
    """A recipe by its name and scale, the bench with what is to be tried.

    Raises:
        SettingError: an unknown recipe or scale, or a choice for another recipe than the bench.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    sized = Scale("quick" if scale == "quick" else "paper")
    if choice is None:
        return RECIPES[name](sized)
    if RECIPES[name] is not benchmark:
        raise SettingError(
            f"{name} has noises and countermeasures of its own: --methods, --countermeasures and "
            "--models are for `reproduce benchmark`."
        )
    return benchmark(sized, choice)


def written(recipe: Recipe, name: str, out: Path) -> Reproduction:
    """The table, the page and the picture of a recipe, from the cells that are in a folder."""
    cells = records(recipe, out)
    figures = measured(recipe, cells)
    table, page, picture = write_recipe(recipe, figures, cells, out, name)
    return Reproduction(recipe, figures, cells, table, page, picture)


def records(recipe: Recipe, out: Path) -> dict[str, dict[str, Any]]:
    """The cells of a recipe that are in a folder, by their ids."""
    paths = {trial.id: out / "cells" / f"{trial.id}.json" for trial in recipe.trials()}
    return {key: read_json(path) for key, path in paths.items() if path.exists()}


def measured(recipe: Recipe, cells: Mapping[str, dict[str, Any]]) -> dict[tuple[str, str], Figure]:
    """The figures of those entries that have a cell."""
    found = {}
    for entry in recipe.entries:
        values = [value(entry, cells[t.id]) for t in entry.trials if t.id in cells]
        if values:
            first = next(cells[t.id] for t in entry.trials if t.id in cells)
            found[entry.row, entry.column] = Figure(
                mean=float(np.mean(values)),
                spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
                n=len(values),
                chance=1 / len(first["classes"]),
            )
    return found


def value(entry: Entry, cell: dict[str, Any]) -> float:
    """What an entry is about, of a cell: as a rule its mean recall over the entry's classes."""
    if entry.measure != "accuracy":
        return float(cell[entry.measure]["area"])
    recall = dict(zip(cell["classes"], cell["recall"], strict=True))
    asked = named(entry.classes, cell["classes"]) or tuple(recall)
    return float(np.mean([recall[name] for name in asked]))


@dataclass(frozen=True)
class Verification:
    """A training that was run again: its accuracy then and now, in 0..1.

    Attributes:
        entry, trial: what it was.
        deviation: the standard deviation of the entry's seeds, at least `FLOOR`.
    """

    entry: Entry
    trial: Trial
    then: float
    now: float
    deviation: float

    @property
    def agrees(self) -> bool:
        """Whether the two lie within three standard deviations."""
        return abs(self.now - self.then) <= 3 * self.deviation


def verify(
    name: str,
    *,
    scale: str = "quick",
    data: Mapping[str, Source] | None = None,
    only: Sequence[str] = (),
    choice: Choice | None = None,
    out: Path | str,
    device: str = "auto",
    data_dir: Path | str = DATA_DIR,
    download: bool = False,
    tell: Tell = silent,
    draw: Callable[[Sequence[Any]], Any] = random.choice,
) -> Verification:
    """Run one training of a recipe again, from its noise on, and compare it with its record.

    It takes what `reproduce` takes; `draw` chooses which training.

    Raises:
        SettingError: no training of the recipe is there.
    """
    recipe, out = recipe_of(name, scale, choice).only(tuple(only)), Path(out).expanduser()
    cells = records(recipe, out)
    choices = [(e, trial) for e in recipe.entries for trial in e.trials if trial.id in cells]
    if not choices:
        raise SettingError(f"{out} holds no training of {name}: unlearnable reproduce {name}.")
    entry, trial = draw(choices)
    with TemporaryDirectory(dir=work_folder(out), prefix="verify-") as scratch:
        workshop = Workshop(
            out=Path(scratch),
            run=Run.start(device, tell=tell),
            sources=data or {},
            data_dir=Path(data_dir),
            download=download,
            command=f"unlearnable reproduce {name} --scale {scale} --verify",
        )
        workshop.train([trial])
        now = value(entry, records(recipe, Path(scratch))[trial.id])
    spread = measured(recipe, cells)[entry.row, entry.column].spread or 0.0
    return Verification(entry, trial, value(entry, cells[trial.id]), now, max(spread, FLOOR))
