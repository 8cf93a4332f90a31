"""audit(): train models on the files as published, and say how much they learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from unlearnable.arms import USUAL, make_arms
from unlearnable.cells import AuditPlan, Bench, work_together
from unlearnable.countermeasures import make_countermeasures
from unlearnable.data.sources import DATA_DIR, Source, open_images
from unlearnable.errors import SettingError
from unlearnable.pairing import Material, gather
from unlearnable.report.page import write_report
from unlearnable.report.samples import keep_samples
from unlearnable.runtime import Run, Tell, silent
from unlearnable.schedules import schedule_for
from unlearnable.storage import private_folder, read_json, write_json
from unlearnable.summary import rebuild_results, summarise
from unlearnable.verdict import Doubt, Verdict, doubts_of, judge, swapped


@dataclass(frozen=True, eq=False)
class Audit:
    """What `audit` found.

    Attributes:
        folder: the run's folder, with `cells/`, `results.jsonl`, `audit.json` and `report.html`.
        rows: one for each arm, countermeasure and model: see `summary.summarise`.
        verdict: in figures and in words.
        doubts: what speaks against it.
        elsewhere: cells that another process is running into the same folder.
    """

    folder: Path
    rows: list[dict[str, Any]]
    verdict: Verdict
    doubts: list[Doubt]
    elsewhere: int = 0


def audit(
    protected: Path | str,
    *,
    clean: Source,
    test: Source,
    out: Path | str,
    background: Source | None = None,
    arms: Sequence[str] = USUAL,
    countermeasures: Sequence[str] = ("quick",),
    models: Sequence[str] = ("resnet18:16",),
    seeds: Sequence[int] = (0,),
    scale: str = "quick",
    heldout: int | None = None,
    size: int | None = None,
    device: str = "auto",
    jobs: int | None = None,
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
        out: the run's folder. It is private: what is kept in it shows the noise.
        background: the other classes, for a folder of `protect --as`.
        arms: see `arms.py`: "clean", "protected", "random", "mix:0.2".
        countermeasures: names such as "jpeg:10+gray", or of sets ("quick": gray and jpeg:10); they
            are tried on the clean and the protected arm, and "none" always is.
        models: target models by name.
        seeds: each decides initial weights, order and augmentation of one training.
        scale: "quick", "fast", "photos", "paper" (the row of the data set) or a row such as
            "paper:cifar10".
        heldout: clean images a class for countermeasures that take some, split off the test set;
            by default 50, or a fifth of the class, where one is asked for.
        size: working size for images of mixed sizes.
        device: "auto", "cpu", "cuda", …
        jobs: trainings at a time, each in a process of its own; a script that asks for more than
            one needs the usual `if __name__ == "__main__":`. By default one, or one for each GPU.
        data_dir: where torchvision's data sets lie.
        download: fetch a torchvision data set that is not there.
        tell: hears of progress.
        announce: hears the plan before the work begins.

    Raises:
        UnlearnableError: something that the caller can put right.
    """
    grid = make_arms(arms)
    against = make_countermeasures(["none", *countermeasures])
    if not (arms and models and seeds):
        raise SettingError("an audit needs at least one arm, one model and one seed.")
    run = Run.start(device, tell=tell)
    jobs = len(run.everywhere()) if jobs is None else jobs
    if jobs < 1:
        raise SettingError(f"jobs={jobs}: there must be at least one.")
    protected, out = Path(protected).expanduser(), Path(out).expanduser()
    wanted = any(named.does.needs_heldout for named in against)
    material = gather(
        protected,
        clean,
        test,
        background=background,
        open_images=partial(open_images, data_dir=data_dir, download=download),
        size=size,
        heldout=heldout if wanted else 0,
        rng=run.rng("held out"),
    )
    bench = Bench(
        material.clean,
        material.published,
        material.test,
        heldout=material.heldout,
        budget=material.budget,
        schedule=schedule_for(scale, material.clean.source),
        run=run,
        out=private_folder(out),
    )
    cells = [
        bench.cell(arm, named, model, seed)
        for model in models
        for seed in seeds
        for arm in grid
        for named in (against if arm.defended else against[:1])
    ]
    announce(bench.plan(cells, material.doubts))
    elsewhere = work_together(bench, cells, jobs)
    rebuild_results(out)
    found = [read_json(bench.path(cell)) for cell in cells if bench.path(cell).exists()]
    rows = summarise(
        found,
        bench.test.labels,
        len(bench.test.classes),
        bench.schedule.epochs,
        asked=material.asked,
    )
    if {"clean", "protected"} <= {arm.name for arm in grid}:
        left = {named.name: bench.survived(named) for named in against}
        for row in rows:
            row["survived"] = left[row["countermeasure"]] if row["arm"] == "protected" else None
    doubts = [*material.doubts, *doubts_of(rows), *_swapped(found, material)]
    verdict = judge(rows, doubts, {named.name: named.does.words for named in against})
    _keep(
        bench,
        material,
        {
            "protected": protected.name,
            "scale": scale,
            "seconds": sum(cell["seconds"] for cell in found),
            "cells": [cell["id"] for cell in found],
            "rows": rows,
            "verdict": asdict(verdict),
            "doubts": [asdict(doubt) for doubt in doubts],
        },
    )
    return Audit(out, rows, verdict, doubts, elsewhere)


def _swapped(cells: Sequence[dict[str, Any]], material: Material) -> list[Doubt]:
    """Doubts about classes that the plain clean arm takes for each other."""
    plain = (c for c in cells if (c["arm"], c["countermeasure"]) == ("clean", "none"))
    confusions = [cell["confusion"] for cell in plain]
    return swapped(np.sum(confusions, 0), material.test.classes) if confusions else []


def _keep(bench: Bench, material: Material, found: dict[str, Any]) -> None:
    """Write all that a report is made from, and the report."""
    manifest = material.manifest or {}
    record = {
        "unlearnable": version("unlearnable"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "clean": material.clean.source,
        "test": material.test.source,
        "classes": list(material.test.classes),
        "chance": 1 / len(material.test.classes),
        "images": {
            "train": len(material.clean),
            "test": len(material.test),
            "heldout": 0 if material.heldout is None else len(material.heldout),
            "left_out": len(material.leaks),
        },
        "leaks": [list(pair) for pair in material.leaks],
        "size": list(material.clean.size),
        "budget": asdict(material.budget),
        "method": manifest.get("settings"),
        "files": {key: manifest.get(key) for key in ("psnr", "ssim", "largest_change")},
        "schedule": bench.schedule.settings(),
        "hardware": bench.run.hardware(),
        "versions": {name: version(name) for name in ("torch", "torchvision", "numpy", "pillow")},
        **found,
    }
    keep_samples(bench.out, material.clean, material.published)
    write_json(bench.out / "audit.json", record, private=True)
    write_report(bench.out)
