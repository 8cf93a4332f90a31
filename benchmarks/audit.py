"""What an audit of 15 cells costs beyond its trainings, and against plain DataLoader trainings.

    python benchmarks/audit.py DATA --test TEST --out results/audit.json

The overhead is the time of the whole audit, opening, preparing and reporting included, over the
sum of its trainings. With fewer epochs than an audit has it is larger than it would be. A plain
training and test of one cell, without countermeasure or learning curve, is timed in the same run
and taken 15 times.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import common
import plain

from unlearnable.auditing import audit
from unlearnable.data.sources import open_images
from unlearnable.models import make_model
from unlearnable.protecting import protect
from unlearnable.runtime import Run
from unlearnable.schedules import SCHEDULES

COUNTERMEASURES = ("gray", "jpeg:10", "bit-depth:2", "cutout", "cutmix", "ueraser:lite")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common.options_for(parser)
    parser.add_argument("--test", required=True, help="test images of the same classes")
    parser.add_argument("--model", default="resnet18:16")
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    images = open_images(options.data).first_of_each_class(options.per_class)
    test = open_images(options.test, split="test")
    run = Run.start(seed=options.seed)
    SCHEDULES["brief"] = schedule = replace(SCHEDULES["quick"], epochs=options.epochs)
    with tempfile.TemporaryDirectory() as folder:
        published, out = Path(folder, "published"), Path(folder, "run")
        protect(images, published, method="random", seed=options.seed)
        started = time.perf_counter()
        audit(
            published,
            clean=images,
            test=test,
            out=out,
            countermeasures=COUNTERMEASURES,
            models=(options.model,),
            scale="brief",
        )
        whole = time.perf_counter() - started
        cells = [json.loads(path.read_text()) for path in (out / "cells").iterdir()]
    model = make_model(options.model, len(images.classes), min(images.size), seed=run.seed)
    started = time.perf_counter()
    plain.train(model, images, schedule, workers=0)
    plain.test(model, test, workers=0)
    theirs = time.perf_counter() - started
    trainings = sum(cell["seconds"] for cell in cells)
    found = {
        "cells": len(cells),
        "seconds": round(whole, 1),
        "trainings": round(trainings, 1),
        "overhead": round(whole / trainings, 3),
        "plain_training": round(theirs, 1),
        "ratio": round(len(cells) * theirs / whole, 2),
        "each": {
            f"{cell['arm']} {cell['countermeasure']}": cell["seconds"]
            for cell in sorted(cells, key=lambda cell: (cell["arm"], cell["seconds"]))
        },
    }
    common.leave(options, run, images, found)


if __name__ == "__main__":
    main()
