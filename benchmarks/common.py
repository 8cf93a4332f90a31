"""What the benchmarks share: their options, their images and the record that they leave."""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Sized
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import NOTHING, Countermeasure
from unlearnable.methods import Method
from unlearnable.methods.layout import noise_shape
from unlearnable.models import make_model
from unlearnable.noise import Budget, Noise
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.scoring import mean_recall
from unlearnable.training import Fitted, fit


def options_for(parser: argparse.ArgumentParser) -> None:
    """Add the options that every benchmark has."""
    parser.add_argument("data", help="what `open_images` takes")
    parser.add_argument("--per-class", type=int, default=1000, help="first images of each class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="a JSON file for the record")


def searched(
    method: Method, images: ImageSet, run: Run
) -> tuple[NDArray[np.float32], float, dict[str, Any]]:
    """The noise of one whole search in levels, its seconds, and what it remembers."""
    out = np.zeros(noise_shape(images, method.form), np.float32)
    started = time.perf_counter()
    facts = method(images, Budget(), run=run, out=out)
    return out, time.perf_counter() - started, facts


def published(images: ImageSet, noise: Noise) -> ImageSet:
    """The images with their noise."""
    rows = images.labels if noise.form == "class-wise" else np.arange(len(images))
    pairs = zip(images.images, rows, strict=True)
    return replace(images, images=np.stack([noise.add_to(image, row) for image, row in pairs]))


def learnt(
    images: ImageSet,
    test: ImageSet,
    *,
    model: str,
    schedule: Schedule,
    run: Run,
    countermeasure: Countermeasure = NOTHING,
) -> tuple[float, Fitted]:
    """The clean test accuracy of one target model, its last epoch, and its record."""
    side = schedule.shorter(images.size)
    network = make_model(model, len(images.classes), side, channels=images.channels, seed=run.seed)
    fitted = fit(
        network, images, schedule=schedule, run=run, test=test, countermeasure=countermeasure
    )
    assert fitted.predictions is not None
    return mean_recall(fitted.predictions, test.labels, len(test.classes)), fitted


def there(about: dict[str, Any], record: Path | None) -> bool:
    """Whether a record of lines has one about this."""
    if record is None or not record.exists():
        return False
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    return any(all(line[key] == value for key, value in about.items()) for line in lines)


def append(line: dict[str, Any], record: Path | None) -> None:
    """Print a line of a record, and keep it where it was asked for."""
    text = json.dumps(line)
    print(text, flush=True)
    if record:
        with record.open("a") as file:
            file.write(text + "\n")


def leave(options: argparse.Namespace, run: Run, images: Sized, found: dict[str, Any]) -> None:
    """Print what was found, with its circumstances, and keep it where it was asked for."""
    record = {
        "settings": {k: v for k, v in vars(options).items() if k not in ("data", "test", "out")},
        "images": len(images),
        "hardware": run.hardware(),
        "commit": commit(),
        **found,
    }
    text = json.dumps(record, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def commit() -> str:
    """The commit that was measured."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
