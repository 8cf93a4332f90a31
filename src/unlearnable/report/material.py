"""What a report is made of: a run's folder, read back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearnable.errors import DamagedError
from unlearnable.storage import read_json

KINDS = ("protected", "clean", "random", "mix", "part")
"""Of arms, in the order in which they are shown; `mix:0.2` is a mix."""
NEEDED = {
    *("unlearnable", "created", "protected", "clean", "test", "classes", "chance", "images"),
    *("size", "budget", "method", "files", "scale", "schedule", "hardware", "versions"),
    *("seconds", "verdict", "doubts", "rows", "cells"),
}


@dataclass(frozen=True, eq=False)
class Trained:
    """The trainings of one arm with one model under one countermeasure.

    Attributes:
        count: how many.
        epoch: the one that counts, from 1; the mean over trainings.
        accuracy, loss: their mean after each epoch that all of them reached.
        runs: the accuracy of each training, epoch by epoch.
        confusion: counts (K, K) over all of them: a row for each true class.
    """

    arm: str
    countermeasure: str
    model: str
    count: int
    epoch: float
    accuracy: list[float]
    loss: list[float]
    runs: tuple[list[float], ...]
    confusion: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Samples:
    """A few images before and after, and the noise of all.

    Attributes:
        clean, protected: uint8, (k, H, W, C).
        names: of their files, k.
        psnr, ssim: of the whole files, k each.
        spectrum: mean log10 power of the noise, (H, W), frequency 0 in the middle.
    """

    clean: NDArray[np.uint8]
    protected: NDArray[np.uint8]
    names: list[str]
    psnr: list[float]
    ssim: list[float]
    spectrum: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Material:
    """All that a report shows.

    Attributes:
        audit: the content of `audit.json`.
        trained: the trainings, grouped.
        seeds: of the trainings.
        missing: cells of the audit that are not finished.
        samples: None if there are none, or they must not be shown.
    """

    audit: dict[str, Any]
    trained: tuple[Trained, ...]
    seeds: tuple[int, ...]
    missing: int
    samples: Samples | None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each arm, model and countermeasure."""
        return list(self.audit["rows"])

    @property
    def arms(self) -> list[str]:
        """Every arm, in the order in which they are shown."""
        return sorted(dict.fromkeys(row["arm"] for row in self.rows), key=kind_of)

    @property
    def models(self) -> list[str]:
        """Every target model."""
        return list(dict.fromkeys(row["model"] for row in self.rows))

    def countermeasures(self, model: str) -> list[str]:
        """Those tried on a model: none, and then the one that undoes most first."""
        reach = {
            row["countermeasure"]: row["learnability"]
            for row in self.rows
            if row["model"] == model and row["arm"] == "protected"
        }
        every = dict.fromkeys(row["countermeasure"] for row in self.rows if row["model"] == model)
        return sorted(every, key=lambda name: (name != "none", -(reach.get(name) or -1e9)))

    def row(self, model: str, countermeasure: str, arm: str) -> dict[str, Any] | None:
        """One row, if there is such."""
        wanted = (model, countermeasure, arm)
        found = (r for r in self.rows if (r["model"], r["countermeasure"], r["arm"]) == wanted)
        return next(found, None)

    def of(self, model: str, countermeasure: str) -> list[Trained]:
        """The trainings of a model under a countermeasure, in the order of `arms`."""
        found = [t for t in self.trained if (t.model, t.countermeasure) == (model, countermeasure)]
        return sorted(found, key=lambda t: self.arms.index(t.arm))


def kind_of(arm: str) -> int:
    """The place of an arm's kind in `KINDS`.

    Example:
        >>> KINDS[kind_of("mix:0.2:classes")]
        'mix'
    """
    return KINDS.index(arm.partition(":")[0])


def read_run(run: Path) -> Material:
    """Read the folder of an audit.

    Raises:
        DamagedError: it holds no audit, or one that is not whole.
    """
    audit = read_json(run / "audit.json")
    if not isinstance(audit, dict) or NEEDED - audit.keys():
        raise DamagedError(f"{run / 'audit.json'} is not an audit of this library.")
    paths = [run / "cells" / f"{cell}.json" for cell in audit["cells"]]
    cells = [read_json(path) for path in paths if path.exists()]
    seeds = tuple(sorted({cell["seed"] for cell in cells}))
    missing = len(paths) - len(cells)
    return Material(audit, grouped(cells), seeds, missing, _samples(run / "samples.npz"))


def grouped(cells: Iterable[dict[str, Any]]) -> tuple[Trained, ...]:
    """Bring cells together that differ by their seed alone."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for cell in cells:
        key = (cell["arm"], cell["countermeasure"], cell["model"])
        groups.setdefault(key, []).append(cell)
    return tuple(
        Trained(
            *key,
            count=len(group),
            epoch=float(np.mean([cell["epoch"] for cell in group])),
            accuracy=_mean([_along(cell, "accuracy") for cell in group]),
            loss=_mean([_along(cell, "loss") for cell in group]),
            runs=tuple(_along(cell, "accuracy") for cell in group),
            confusion=np.sum([cell["confusion"] for cell in group], axis=0),
        )
        for key, group in groups.items()
    )


def _along(cell: dict[str, Any], what: str) -> list[float]:
    return [point[what] for point in cell["curve"]]


def _mean(curves: Sequence[Sequence[float]]) -> list[float]:
    shortest = min(map(len, curves))
    means: list[float] = np.mean([curve[:shortest] for curve in curves], axis=0).tolist()
    return means


def _samples(path: Path) -> Samples | None:
    if not path.exists():
        return None
    with np.load(path, allow_pickle=False) as held:
        return Samples(
            held["clean"],
            held["protected"],
            held["names"].tolist(),
            held["psnr"].tolist(),
            held["ssim"].tolist(),
            held["spectrum"],
        )
