from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unlearnable.scoring import confusion, mean_recall

CLASSES = (
    *("airplane", "automobile", "bird", "kitten", "deer"),
    *("doggy", "frog", "horse", "ship", "truck"),
)
# the accuracies that the synthetic trainings reach
REACHED = {
    "none": {"clean": 0.73, "protected": 0.16, "random": 0.72},
    "jpeg:10": {"clean": 0.66, "protected": 0.58, "random": 0.65},
    "gray": {"clean": 0.69, "protected": 0.31, "random": 0.69},
    "cutout:8+gray": {"clean": 0.68, "protected": 0.29, "random": 0.67},
}
MODEL, SEEDS, EPOCHS, EACH = "resnet18:16", (7, 8), 15, 100
BUDGET = 8


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write the folder of an audit; keywords replace what is in its `audit.json`."""

    def make(**changes: Any) -> Path:
        return write_run(tmp_path / "run", **changes)

    return make


@pytest.fixture
def make_samples() -> Callable[..., dict[str, Any]]:
    """The content of a `samples.npz`: `make_samples(count, size)`."""
    return samples


def write_run(run: Path, **changes: Any) -> Path:
    classes = changes.get("classes", CLASSES)
    labels = np.repeat(np.arange(len(classes)), EACH)
    cells = [
        trained(arm, name, seed, labels, len(classes))
        for name, seed, arm in product(REACHED, SEEDS, ("clean", "protected", "random"))
    ]
    (run / "cells").mkdir(parents=True)
    for cell in cells:
        text = json.dumps(cell | {"predictions": " ".join(map(str, cell["predictions"]))})
        (run / "cells" / f"{cell['id']}.json").write_text(text)
    rows = summary(cells)
    audit = content(rows, [cell["id"] for cell in cells]) | changes
    (run / "audit.json").write_text(json.dumps(audit))
    np.savez(run / "samples.npz", **samples())
    return run


def trained(arm: str, name: str, seed: int, labels: Any, classes: int) -> dict[str, Any]:
    rng = np.random.default_rng([*f"{arm} {name}".encode(), seed])
    reached = REACHED[name][arm] + rng.normal(0, 0.01)
    sure = rng.random(len(labels)) < (reached - 1 / classes) / (1 - 1 / classes)
    predictions = np.where(sure, labels, rng.integers(classes, size=len(labels)))
    accuracy = mean_recall(predictions, labels, classes)
    rise = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 4)
    speed = 1.5 if arm == "protected" and name == "none" else 5
    curve = [
        {
            "loss": float(2.2 * np.exp(-epoch / speed)),
            "accuracy": float(0.1 + (accuracy - 0.1) * rise[epoch] + rng.normal(0, 0.015)),
            "heldout": None,
        }
        for epoch in range(EPOCHS)
    ]
    return {
        "id": rng.bytes(8).hex(),
        "arm": arm,
        "countermeasure": name,
        "model": MODEL,
        "seed": seed,
        "accuracy": accuracy,
        "peak_accuracy": accuracy + 0.01,
        "chance": 1 / classes,
        "epoch": EPOCHS,
        "seconds": 300.0,
        "settings": {"train": rng.bytes(32).hex()},
        "curve": curve,
        "confusion": confusion(predictions, labels, classes).tolist(),
        "predictions": predictions.tolist(),
    }


def summary(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with intervals of one width, as nothing here is about how they are found."""
    groups: dict[tuple[str, str], list[float]] = {}
    for cell in cells:
        groups.setdefault((cell["countermeasure"], cell["arm"]), []).append(cell["accuracy"])
    chance = cells[0]["chance"]
    above = {key: float(np.mean(accuracies)) - chance for key, accuracies in groups.items()}
    rows = []
    for (name, arm), accuracies in groups.items():
        learnability = above[name, arm] / above["none", "clean"]
        recovery = above[name, arm] / above[name, "clean"]
        rows.append(
            {
                "arm": arm,
                "countermeasure": name,
                "model": MODEL,
                "accuracy": float(np.mean(accuracies)),
                "spread": float(np.std(accuracies, ddof=1)),
                "peak_accuracy": float(np.mean(accuracies)) + 0.01,
                "n": len(accuracies),
                "chance": chance,
                "learnability": learnability,
                "low": learnability - 0.04,
                "high": learnability + 0.05,
                "interval_over": "seeds and test images",
                "recovery": recovery,
                "recovery_low": recovery - 0.04,
                "recovery_high": recovery + 0.05,
                "epochs": EPOCHS,
                "own_schedule": False,
            }
        )
    return rows


def content(rows: list[dict[str, Any]], ids: list[str]) -> dict[str, Any]:
    worst = max(
        (row for row in rows if row["arm"] == "protected"), key=lambda row: row["learnability"]
    )
    return {
        "unlearnable": "0.1.0",
        "created": "2026-03-04T05:06:07+00:00",
        "protected": "holiday-protected",
        "clean": "holiday-photos",
        "test": "holiday-heldout",
        "classes": list(CLASSES),
        "chance": rows[0]["chance"],
        "images": {"train": 10_000, "test": 1_000, "heldout": 0, "left_out": 3},
        "size": [32, 32],
        "budget": {"norm": "linf", "size": BUDGET},
        "method": {
            "method": "em",
            "method_settings": {"form": "sample-wise", "steps": 6},
            "seed": 271828182845,
        },
        "files": {"psnr": 34.24, "ssim": 0.9686, "largest_change": BUDGET},
        "scale": "quick",
        "schedule": {"epochs": EPOCHS, "batch_size": 128, "learning_rate": 0.2, "clip": None},
        "hardware": {"device": "cpu", "name": "AMD EPYC", "threads": 2, "precision": "bfloat16"},
        "versions": {"python": "3.12.3", "torch": "2.14.1+cu130", "numpy": "2.4.6"},
        "seconds": 7200.0,
        "verdict": {
            "decided": True,
            "words": [
                f"A model trained on these files reached {100 * rows[1]['accuracy']:.0f} % on "
                f"clean pictures (chance 10 %, unprotected {100 * rows[0]['accuracy']:.0f} %).",
                f"After JPEG compression it reached {100 * worst['accuracy']:.0f} %: this "
                "protection does not survive JPEG compression.",
                "After greyscale it reached 31 %: that weakens this protection.",
            ],
            **{key: worst[key] for key in ("learnability", "low", "high")},
            **{key: worst[key] for key in ("countermeasure", "model")},
        },
        "doubts": [
            {
                "about": "seeds",
                "sentence": "seeds disagree: as holiday-photos/a.jpg shows.",
                "fatal": False,
            },
        ],
        "rows": rows,
        "cells": ids,
    }


def samples(count: int = 6, size: tuple[int, int] = (32, 32), seed: int = 0) -> dict[str, Any]:
    """Smooth images, their noise and its spectrum."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]] / max(size)
    waves = [
        np.sin(6 * (a * x + b * y) + c) for a, b, c in rng.normal(0, 1, (3 * count, 3)).tolist()
    ]
    clean = (128 + 90 * np.reshape(waves, (count, 3, *size))).astype(np.uint8)
    clean = np.moveaxis(clean, 1, 3)
    noise = rng.integers(-BUDGET, BUDGET + 1, clean.shape)
    power = np.abs(np.fft.fft2(noise, axes=(1, 2))) ** 2
    return {
        "clean": clean,
        "protected": (clean + noise).clip(0, 255).astype(np.uint8),
        "names": np.array([f"{CLASSES[k % 10]}/IMG_{k}.png" for k in range(count)]),
        "psnr": np.full(count, 34.2),
        "ssim": np.full(count, 0.968),
        "spectrum": np.fft.fftshift(np.log10(power.mean((0, 3)))).astype(np.float32),
    }
