"""audit(): train models on the files as published, and say how much they learnt."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from unlearnable.cells import ARMS, Arm, AuditPlan, Bench, Cell, work_together
from unlearnable.data.folder import MANIFEST, private_beside
from unlearnable.data.gather import folder_name
from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import DATA_DIR, Source, open_images
from unlearnable.errors import DamagedError, SettingError, SourceError, unknown
from unlearnable.noise import Budget
from unlearnable.report.table import markdown
from unlearnable.runtime import Run, Tell, silent
from unlearnable.schedules import schedule_for
from unlearnable.scoring import learnability
from unlearnable.storage import read_json, sha256_json, write_bytes, write_json


@dataclass(frozen=True, eq=False)
class Audit:
    """What `audit` found.

    Attributes:
        folder: the run's folder, with `cells/`, `results.jsonl`, `summary.json` and `table.md`.
        rows: one for each arm and model: mean accuracy, spread, n, learnability and its interval.
        elsewhere: cells that another process is running into the same folder.
    """

    folder: Path
    rows: list[dict[str, Any]]
    elsewhere: int = 0


def audit(
    protected: Path | str,
    *,
    clean: Source,
    test: Source,
    out: Path | str,
    arms: Sequence[str] = ARMS,
    models: Sequence[str] = ("resnet18:16",),
    seeds: Sequence[int] = (0,),
    scale: str = "quick",
    size: int | None = None,
    device: str = "auto",
    jobs: int = 1,
    data_dir: Path | str = DATA_DIR,
    download: bool = False,
    tell: Tell = silent,
    announce: Callable[[AuditPlan], None] = lambda plan: None,
) -> Audit:
    """Train models on a protected folder, read back from the disk, and on what it came from.

    Every finished cell is a file in `out`; a cell that is there is not run again, and several
    processes may fill one folder together.

    Args:
        protected: a folder that `protect` wrote.
        clean: what it was made from; it is the training set of the clean arm.
        test: clean images with the same classes, used to measure and for nothing else.
        out: the run's folder.
        arms: of "clean", "protected" and "random" (noise of equal budget).
        models: target models by name.
        seeds: each decides initial weights, order and augmentation of one training.
        scale: "quick", "fast", "paper" (the row of the data set) or a row such as "paper:cifar10".
        size: working size for images of mixed sizes.
        device: "auto", "cpu", "cuda", …
        jobs: trainings at a time, each in a process of its own; a script that asks for more than
            one needs the usual `if __name__ == "__main__":`.
        data_dir: where torchvision's data sets lie.
        download: fetch a torchvision data set that is not there.
        tell: hears of progress.
        announce: hears the plan before the work begins.

    Raises:
        UnlearnableError: something that the caller can put right.
    """
    known: dict[str, Arm] = {arm: arm for arm in ARMS}
    for arm in arms:
        if arm not in known:
            raise unknown("arm", arm, ARMS)
    if not (arms and models and seeds):
        raise SettingError("an audit needs at least one arm, one model and one seed.")
    if jobs < 1:
        raise SettingError(f"jobs={jobs}: there must be at least one.")
    protected, out = Path(protected).expanduser(), Path(out).expanduser()
    options: dict[str, Any] = {"data_dir": data_dir, "download": download}
    originals = open_images(clean, size=size, **options)
    published = paired(open_images(protected, size=size), originals)
    common = _common(originals, test)
    tests = _tests(open_images(test, split="test", size=common, **options), originals)
    channels = max(s.channels for s in (originals, published, tests))
    originals = originals.with_channels(channels)
    published = published.with_channels(channels)
    bench = Bench(
        originals,
        published,
        tests.with_channels(channels),
        budget=_budget(protected, originals, published),
        schedule=schedule_for(scale, originals.source),
        run=Run.start(device, tell=tell),
        out=out,
    )
    cells = [
        bench.cell(known[arm], model, seed) for model in models for seed in seeds for arm in arms
    ]
    announce(bench.plan(cells))
    elsewhere = work_together(bench, cells, jobs)
    return Audit(out, summarise(bench, cells), elsewhere)


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


def _tests(test: ImageSet, clean: ImageSet) -> ImageSet:
    """The test images with the training set's labels; those of other classes are refused."""
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


def _budget(protected: Path, clean: ImageSet, published: ImageSet) -> Budget:
    """The budget that the manifest states or, without one, the largest change there is."""
    manifest = private_beside(protected) / MANIFEST
    if manifest.exists():
        try:
            return Budget(**read_json(manifest)["settings"]["budget"])
        except (KeyError, TypeError) as error:
            raise DamagedError(f"{manifest} is not a manifest of this library.") from error
    pairs = zip(clean.images, published.images, strict=True)
    largest = max(int(np.abs(a.astype(np.int16) - b).max()) for a, b in pairs)
    return Budget("linf", max(1, largest))


def summarise(bench: Bench, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Rebuild `results.jsonl` from the cell files, and write the summary and its table."""
    paths = [bench.path(cell) for cell in cells]
    _rebuild_results(bench.out)
    rows = summary([read_json(path) for path in paths if path.exists()], bench.test)
    write_json(bench.out / "summary.json", rows)
    write_bytes(bench.out / "table.md", markdown(rows).encode())
    return rows


def summary(cells: Iterable[dict[str, Any]], test: ImageSet) -> list[dict[str, Any]]:
    """One row for each arm and model: accuracy over seeds, and learnability against clean."""
    groups: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for cell in cells:
        groups.setdefault((cell["model"], cell["arm"]), {})[cell["seed"]] = cell
    rows = []
    for (model, arm), runs in groups.items():
        accuracy = [cell["accuracy"] for cell in runs.values()]
        row: dict[str, Any] = {
            "arm": arm,
            "model": model,
            "countermeasure": "none",
            "accuracy": float(np.mean(accuracy)),
            "spread": float(np.std(accuracy, ddof=1)) if len(accuracy) > 1 else None,
            "peak_accuracy": float(np.mean([cell["peak_accuracy"] for cell in runs.values()])),
            "n": len(runs),
            "chance": 1 / len(test.classes),
            "learnability": None,
        }
        clean = groups.get((model, "clean"), {})
        seeds = sorted(runs.keys() & clean.keys())
        if seeds:
            found, base = (
                [np.asarray(group[seed]["predictions"]) for seed in seeds]
                for group in (runs, clean)
            )
            score = learnability(found, base, test.labels, len(test.classes))
            over = "seeds and test images" if len(seeds) > 1 else "test images only: one seed"
            row.update(
                learnability=_number(score.value),
                low=_number(score.low),
                high=_number(score.high),
                interval_over=over,
            )
        rows.append(row)
    return rows


def _rebuild_results(out: Path) -> None:
    """Write one line a cell, for every cell in the folder, with its learnability."""
    cells = [read_json(path) for path in sorted((out / "cells").glob("*.json"))]
    clean = {_row_of(cell): cell["accuracy"] for cell in cells if cell["arm"] == "clean"}
    lines = []
    for cell in cells:
        line = {key: cell[key] for key in LINE if key in cell}
        base, chance = clean.get(_row_of(cell)), cell["chance"]
        able = base is not None and base > chance
        line["learnability"] = (cell["accuracy"] - chance) / (base - chance) if able else None
        lines.append(json.dumps(line))
    write_bytes(out / "results.jsonl", "".join(line + "\n" for line in lines).encode())


LINE = (
    "id", "arm", "countermeasure", "model", "seed", "accuracy", "peak_accuracy", "chance",
    "seconds", "settings",
)  # fmt: skip


def _row_of(cell: dict[str, Any]) -> str:
    """What a cell shares with the clean cell that it is measured against."""
    settings = cell["settings"]
    same = [settings[key] for key in ("schedule", "precision", "clean", "test", "countermeasure")]
    return sha256_json([cell["model"], cell["seed"], same])


def _number(value: float) -> float | None:
    """JSON has no word for what is not a number."""
    return float(value) if np.isfinite(value) else None
