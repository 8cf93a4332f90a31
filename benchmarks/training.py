"""How much faster `fit()` is than a plain float32 DataLoader loop, and whether it learns as much.

    python benchmarks/training.py DATA --test TEST --out results/training.json

One epoch of each is timed by turns, so that a busy machine is as busy for both, and the median of
the ratios counts; then each trains a model to the end, and both are tested on the same images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import asdict, replace
from typing import Any

import common
import plain
from torch import nn

from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import open_images
from unlearnable.freezing import frozen
from unlearnable.models import make_model
from unlearnable.runtime import Run
from unlearnable.schedules import SCHEDULES, Schedule
from unlearnable.training import accuracy, fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common.options_for(parser)
    parser.add_argument("--test", required=True, help="test images of the same classes")
    parser.add_argument("--model", default="resnet18:16")
    parser.add_argument("--epochs", type=int, default=15, help="of the trainings to the end")
    options = parser.parse_args()
    images = open_images(options.data).first_of_each_class(options.per_class)
    test = open_images(options.test, split="test")
    run = Run.start(seed=options.seed)
    schedule = replace(SCHEDULES["quick"], epochs=options.epochs)
    common.leave(options, run, images, measure(images, test, schedule, run, options))


def measure(
    images: ImageSet, test: ImageSet, schedule: Schedule, run: Run, options: argparse.Namespace
) -> dict[str, Any]:
    def ours(schedule: Schedule) -> tuple[nn.Module, float]:
        model = fresh(options.model, images, run)
        fitted = fit(model, images, schedule=schedule, run=run)
        return fitted.model, fitted.seconds

    def theirs(schedule: Schedule, workers: int) -> tuple[nn.Module, float]:
        model = fresh(options.model, images, run)
        started = time.perf_counter()
        plain.train(model, images, schedule, workers=workers)
        return model, time.perf_counter() - started

    once = replace(schedule, epochs=1)
    workers = min((0, 2), key=lambda count: theirs(once, count)[1])
    epochs = []
    for _ in range(options.repeats):
        seconds = {"ours": ours(once)[1], "plain": theirs(once, workers)[1]}
        epochs.append({**seconds, "ratio": seconds["plain"] / seconds["ours"]})
        print(json.dumps(epochs[-1]), file=sys.stderr, flush=True)
    whole = {}
    for name, (model, seconds) in {
        "ours": ours(schedule),
        "plain": theirs(schedule, workers),
    }.items():
        score = accuracy(frozen(model, run.dtype), test, run)
        whole[name] = {"accuracy": score, "seconds": seconds}
    return {
        "schedule": asdict(schedule),
        "plain_workers": workers,
        "one_epoch": epochs,
        "median_ratio": statistics.median(epoch["ratio"] for epoch in epochs),
        "whole": whole,
    }


def fresh(name: str, images: ImageSet, run: Run) -> nn.Module:
    return make_model(name, len(images.classes), min(images.size), seed=run.seed)


if __name__ == "__main__":
    main()
