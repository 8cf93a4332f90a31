"""What masking is worth: likeness to the originals against protection, at several budgets.

    python benchmarks/masking.py DATA --test TEST --size 64 --out results/benchmarks/masking.jsonl

Each line of the record is one target model, trained on files that were protected class-wise, with
and without masking, its last epoch tested on clean images; lines without a budget are of the images
as they are. Lines that are there are not measured again.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import common

from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import open_images
from unlearnable.methods import make_method
from unlearnable.noise import Budget
from unlearnable.protecting import protect
from unlearnable.runtime import Run
from unlearnable.schedules import schedule_for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a folder of images")
    parser.add_argument("--test", required=True, help="test images of the same classes")
    parser.add_argument("--epsilons", type=int, nargs="+", default=[4, 8, 12, 16])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a file for the lines")
    parser.add_argument("--size", type=int, help="working size of the search")
    parser.add_argument("--model", default="resnet18:8", help="of targets")
    parser.add_argument("--schedule", default="photos")
    options = parser.parse_args()
    run = Run.start(seed=options.seed)
    about = {"seed": run.seed, "model": options.model, "schedule": options.schedule}
    budgets = [
        Budget("linf", epsilon, masked)
        for epsilon in reversed(options.epsilons)
        for masked in (False, True)
    ]
    for budget in (None, *budgets):
        named = {"epsilon": budget and budget.size, "masked": budget and budget.masked, **about}
        if not common.there(named, options.out):
            images, found = published(options, budget, run)
            found |= {"accuracy": trained(images, run, options), "images": len(images)}
            found["hardware"] = run.hardware()
            common.append({**named, **found, "commit": common.commit()}, options.out)


def published(
    options: argparse.Namespace, budget: Budget | None, run: Run
) -> tuple[ImageSet, dict[str, Any]]:
    """The images as they are published, and how like their originals they are."""
    if budget is None:
        return open_images(options.data), {"ssim": 1.0, "psnr": None}
    with tempfile.TemporaryDirectory() as folder:
        done = protect(
            options.data,
            Path(folder) / "out",
            method=make_method("em", {"form": "class-wise"}),
            budget=budget,
            size=options.size,
            seed=run.seed,
        )
        return open_images(done.destination), {key: done.manifest[key] for key in ("ssim", "psnr")}


def trained(images: ImageSet, run: Run, options: argparse.Namespace) -> float:
    """The accuracy of one target model."""
    test = open_images(options.test, split="test", size=images.size[0])
    schedule = schedule_for(options.schedule, "")
    accuracy, _ = common.learnt(images, test, model=options.model, schedule=schedule, run=run)
    return round(accuracy, 4)


if __name__ == "__main__":
    main()
