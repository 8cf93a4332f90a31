"""Whether the schedule `fast` says of noises what the paper's says, and how much sooner.

    python benchmarks/schedules.py DATA --test TEST --per-class 5000 --out results/schedules.jsonl

Each line of the record is one target model, trained on the images as they are or with a noise
under one schedule, its last epoch tested. Lines that are there are not measured again. With
`--untimed` the seconds are left out: the machine was busy with others.
"""

from __future__ import annotations

import argparse
from typing import Any

import common

from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import open_images
from unlearnable.methods import make_method
from unlearnable.noise import Budget, seal
from unlearnable.runtime import Run
from unlearnable.schedules import schedule_for

ARMS: dict[str, tuple[str, dict[str, str]] | None] = {
    "clean": None,
    "random": ("random", {}),
    "protected": ("em", {}),
    "protected, class-wise": ("em", {"form": "class-wise"}),
    "protected, surrogate resnet18:8": ("em", {"surrogate": "resnet18:8"}),
    "protected, published search": ("em", {"preset": "paper", "surrogate": "resnet18"}),
    "protected, wide surrogates": ("em", {"surrogate": "resnet18"}),
    "protected, class-wise, wide surrogate": (
        "em",
        {"form": "class-wise", "surrogate": "resnet18"},
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common.options_for(parser)
    parser.add_argument("--test", required=True, help="test images of the same classes")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--schedules", nargs="+", default=["paper:cifar10", "fast"])
    parser.add_argument("--model", default="resnet18", help="of targets")
    parser.add_argument("--untimed", action="store_true")
    options = parser.parse_args()
    images = open_images(options.data).first_of_each_class(options.per_class)
    test = open_images(options.test, split="test")
    run = Run.start(seed=options.seed)
    for arm in options.arms:
        about = {"arm": arm, "seed": run.seed, "model": options.model, "images": len(images)}
        wanted = [
            name
            for name in options.schedules
            if not common.there({**about, "schedule": name}, options.out)
        ]
        published = publish(images, arm, run) if wanted else images
        for name in wanted:
            found = trained(published, test, name, run, options)
            common.append({**about, "schedule": name, **found}, options.out)


def publish(images: ImageSet, arm: str, run: Run) -> ImageSet:
    """The images of an arm."""
    if (made := ARMS[arm]) is None:
        return images
    method = make_method(*made)
    levels, _, _ = common.searched(method, images, run)
    return common.published(images, seal(levels, form=method.form, budget=Budget()))


def trained(
    images: ImageSet, test: ImageSet, name: str, run: Run, options: argparse.Namespace
) -> dict[str, Any]:
    """One target model."""
    schedule = schedule_for(name, "")
    accuracy, fitted = common.learnt(images, test, model=options.model, schedule=schedule, run=run)
    return {
        "accuracy": round(accuracy, 4),
        "seconds": None if options.untimed else round(fitted.seconds, 1),
        "hardware": run.hardware(),
        "commit": common.commit(),
    }


if __name__ == "__main__":
    main()
