"""From the cells of an audit to its rows: accuracy, learnability and recovery with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearnable.scoring import accuracy_interval, learnability, mean_recall
from unlearnable.storage import finite, read_json, sha256_json, write_bytes

LINE = (
    "id", "arm", "countermeasure", "model", "seed", "accuracy", "peak_accuracy", "epoch", "epochs",
    "chance", "seconds", "settings",
)  # fmt: skip

Runs = dict[int, dict[str, Any]]
"""The cells of one row by seed."""


def predicted(cell: dict[str, Any]) -> NDArray[np.int64]:
    """The class that a cell's model gave to each test image, (n,)."""
    return np.array(cell["predictions"].split(), dtype=np.int64)


def summarise(
    cells: Iterable[dict[str, Any]],
    labels: NDArray[np.int64],
    classes: int,
    epochs: int,
    *,
    asked: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """One row for each model, arm and countermeasure.

    Args:
        cells: finished cells of one audit.
        labels: of its test images, (n,).
        classes: K.
        epochs: of its schedule; a row of other length is marked.
        asked: the classes that accuracy is about; None: all.
    """
    about = np.isin(labels, range(classes) if asked is None else asked)
    labels = labels[about]
    groups: dict[tuple[str, str, str], Runs] = {}
    for cell in cells:
        key = cell["model"], cell["arm"], cell["countermeasure"]
        found = predicted(cell)[about]
        accuracy = mean_recall(found, labels, classes)
        groups.setdefault(key, {})[cell["seed"]] = {
            **cell,
            "accuracy": accuracy,
            "peak_accuracy": cell["peak_accuracy"] if asked is None else accuracy,
            "found": found,
        }
    rows = []
    for (model, arm, countermeasure), runs in groups.items():
        accuracies = [cell["accuracy"] for cell in runs.values()]
        low, high = accuracy_interval([c["found"] for c in runs.values()], labels, classes)
        length = max(cell["epochs"] for cell in runs.values())
        row: dict[str, Any] = {
            "arm": arm,
            "countermeasure": countermeasure,
            "model": model,
            "accuracy": float(np.mean(accuracies)),
            "spread": float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
            "accuracy_low": low,
            "accuracy_high": high,
            "peak_accuracy": float(np.mean([cell["peak_accuracy"] for cell in runs.values()])),
            "n": len(runs),
            "chance": 1 / classes,
            "epochs": length,
            "own_schedule": length != epochs,
        }
        bases = {
            "learnability": groups.get((model, "clean", "none"), {}),
            "recovery": groups.get((model, "clean", countermeasure), {}),
        }
        for name, base in bases.items():
            row.update(_against(name, runs, base, labels, classes))
        over = "seeds and test images" if len(runs) > 1 else "test images only: one seed"
        rows.append({**row, "interval_over": over})
    return rows


def _against(
    name: str, runs: Runs, base: Runs, labels: NDArray[np.int64], classes: int
) -> dict[str, Any]:
    """A ratio to the clean arm under a name, with its interval, from the seeds of both."""
    seeds = sorted(runs.keys() & base.keys())
    prefix = "" if name == "learnability" else f"{name}_"
    keys = (name, f"{prefix}low", f"{prefix}high", f"{name}_by_seed")
    if not seeds:
        return dict.fromkeys(keys)
    found, clean = ([group[seed]["found"] for seed in seeds] for group in (runs, base))
    score = learnability(found, clean, labels, classes)
    each = [_ratio(runs[seed], base[seed]) for seed in seeds]
    values = (*map(finite, (score.value, score.low, score.high)), each)
    return dict(zip(keys, values, strict=True))


def _ratio(cell: dict[str, Any], base: dict[str, Any]) -> float | None:
    above = base["accuracy"] - base["chance"]
    return (cell["accuracy"] - cell["chance"]) / above if above > 0 else None


def rebuild_results(out: Path) -> None:
    """Write `results.jsonl`: a line for every cell in the folder, with its learnability."""
    cells = [read_json(path) for path in sorted((out / "cells").glob("*.json"))]
    clean = {
        _comparable(cell): cell
        for cell in cells
        if (cell["arm"], cell["countermeasure"]) == ("clean", "none")
    }
    lines = []
    for cell in cells:
        line = {key: cell[key] for key in LINE}
        base = clean.get(_comparable(cell))
        line["learnability"] = _ratio(cell, base) if base else None
        lines.append(json.dumps(line) + "\n")
    write_bytes(out / "results.jsonl", "".join(lines).encode())


def _comparable(cell: dict[str, Any]) -> str:
    """What a cell shares with the clean cell that it is measured against."""
    settings = cell["settings"]
    same = [settings[key] for key in ("schedule", "precision", "clean", "test")]
    return sha256_json([cell["model"], cell["seed"], same])
