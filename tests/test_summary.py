from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unlearnable.scoring import accuracy_interval, mean_recall
from unlearnable.storage import write_json
from unlearnable.summary import rebuild_results, summarise

LABELS = np.arange(400) % 4


def cell(arm: str, countermeasure: str, right: float, seed: int = 0, epochs: int = 3) -> Any:
    """A finished cell of 4 classes whose model is right so often, and otherwise guesses 0."""
    rng = np.random.default_rng([seed, round(1000 * right)])
    predictions = np.where(rng.random(400) < right, LABELS, 0)
    accuracy = mean_recall(predictions, LABELS, 4)
    return {
        "id": f"{arm}{countermeasure}{seed}",
        "arm": arm,
        "countermeasure": countermeasure,
        "model": "net",
        "seed": seed,
        "accuracy": accuracy,
        "peak_accuracy": accuracy + 0.01,
        "epoch": epochs,
        "epochs": epochs,
        "chance": 0.25,
        "seconds": 1.0,
        "settings": dict.fromkeys(("schedule", "precision", "clean", "test"), "same"),
        "predictions": " ".join(map(str, predictions)),
    }


GRID = [
    cell(arm, countermeasure, right, seed)
    for seed in (0, 1)
    for arm, countermeasure, right in (
        ("clean", "none", 0.9),
        ("clean", "gray", 0.8),
        ("protected", "none", 0.0),
        ("protected", "gray", 0.7),
    )
]


def rows(cells: list[Any] = GRID) -> dict[tuple[str, str], dict[str, Any]]:
    found = summarise(cells, LABELS, 4, epochs=3)
    return {(row["arm"], row["countermeasure"]): row for row in found}


def test_learnability_is_against_the_plain_clean_arm_and_recovery_against_the_same() -> None:
    found, mean = rows(), lambda arm, name: rows()[arm, name]["accuracy"] - 0.25
    gray = found["protected", "gray"]
    base = mean("clean", "none"), mean("clean", "gray")
    assert gray["learnability"] == pytest.approx(mean("protected", "gray") / base[0])
    assert gray["recovery"] == pytest.approx(mean("protected", "gray") / base[1])
    assert gray["recovery_low"] < gray["recovery"] < gray["recovery_high"]
    assert found["protected", "none"]["learnability"] == pytest.approx(0)
    assert found["clean", "none"]["learnability"] == 1
    assert len(gray["learnability_by_seed"]) == gray["n"] == 2


def test_an_interval_of_the_accuracy_holds_it_and_narrows_with_test_images() -> None:
    row = rows()["protected", "gray"]
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    right = np.where(np.random.default_rng(0).random(400) < 0.7, LABELS, 0)
    few, many = (np.diff(accuracy_interval([right[:n]], LABELS[:n], 4))[0] for n in (40, 400))
    assert few > 2 * many


def test_without_a_clean_arm_there_is_nothing_to_compare_with() -> None:
    row = rows([cell("protected", "none", 0.5)])["protected", "none"]
    assert row["learnability"] is row["low"] is row["recovery"] is None
    assert row["interval_over"] == "test images only: one seed"


def test_a_row_of_other_length_is_marked() -> None:
    marked = rows([*GRID, cell("part:0.2", "none", 0.5, epochs=4)])
    assert [key for key, row in marked.items() if row["own_schedule"]] == [("part:0.2", "none")]


def test_results_have_a_line_for_every_cell_with_its_learnability(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    for one in GRID:
        write_json(tmp_path / "cells" / f"{one['id']}.json", one)
    rebuild_results(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert len(lines) == len(GRID)
    plain = next(line for line in lines if line["id"] == "cleannone1")
    assert plain["learnability"] == 1 and "predictions" not in plain


def test_accuracy_can_be_about_some_classes_alone() -> None:
    found = {
        (row["arm"], row["countermeasure"]): row
        for row in summarise(GRID, LABELS, 4, epochs=3, asked=(0,))
    }
    assert found["protected", "none"]["accuracy"] == 1, "who always guesses 0 knows class 0"
    assert found["protected", "none"]["learnability"] == pytest.approx(
        0.75 / (found["clean", "none"]["accuracy"] - 0.25)
    )
