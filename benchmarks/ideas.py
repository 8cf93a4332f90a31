"""Which search gives the lowest learnability for a given amount of work.

    python benchmarks/ideas.py DATA --test TEST --seeds 0,1,2 --out results/ideas.jsonl

Each idea is a setting of `ErrorMinimizing`; each line of the record is one target model trained on
the noise of one idea and seed, as it is or after a countermeasure. Lines that are there are not
measured again, so that a record grows over several runs.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import common
import numpy as np

from unlearnable.countermeasures import make_countermeasure
from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import open_images
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.noise import Budget, Noise, seal
from unlearnable.runtime import Run
from unlearnable.schedules import SCHEDULES

IDEAS: dict[str, dict[str, Any]] = {
    "default": {},
    "published": {"preset": "paper"},
    "all images from the start": {"subset": 1.0},
    "a tenth first": {"subset": 0.1},
    "short steps": {"step": 0.1, "steps": 24},
    "one long step": {"step": 1.0, "steps": 2},
    "one surrogate": {"second": 0},
    "surrogate trained ahead": {"batches": 40},
    "small batches": {"batch_size": 128},
    "not moved": {"augmentations": ""},
    "seen flipped": {"augmentations": "crop:1 flip", "sweep_augmentations": "flip"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    common.options_for(parser)
    parser.add_argument("--test", required=True, help="test images of the same classes")
    parser.add_argument("--ideas", nargs="+", choices=IDEAS, default=list(IDEAS))
    parser.add_argument("--countermeasures", nargs="+", default=["none"])
    parser.add_argument("--models", nargs="+", default=["resnet18:16"])
    parser.add_argument("--surrogate", default="resnet18:16")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=128, help="of the target models")
    parser.add_argument("--noises", type=Path, required=True, help="a folder for the noises")
    options = parser.parse_args()
    images = open_images(options.data).first_of_each_class(options.per_class)
    test = open_images(options.test, split="test")
    for seed in (int(part) for part in options.seeds.split(",")):
        for idea in options.ideas:
            noise, facts = noise_of(idea, seed, images, options)
            for model in options.models:
                for name in options.countermeasures:
                    about = {"idea": idea, "seed": seed, "model": model, "countermeasure": name}
                    about |= {"epochs": options.epochs, "batch_size": options.batch_size}
                    about["images"] = len(images)
                    about["surrogate"] = options.surrogate
                    if not common.there(about, options.out):
                        found = accuracy(about, images, noise, test)
                        common.append({**about, **found, **facts}, options.out)


def noise_of(
    idea: str, seed: int, images: ImageSet, options: argparse.Namespace
) -> tuple[Noise, dict[str, Any]]:
    """The noise of an idea and a seed, made or read back, and what it took."""
    name = f"{idea} {options.surrogate} {seed}".translate({ord(sign): "-" for sign in " :"})
    file = options.noises / name / "noise.npy"
    if not file.exists():
        method = ErrorMinimizing(surrogate=options.surrogate, **IDEAS[idea])
        out, seconds, facts = common.searched(method, images, Run.start(seed=seed))
        facts["seconds"] = round(seconds, 1)
        file.parent.mkdir(parents=True, exist_ok=True)
        seal(out, form=method.form, budget=Budget(), made_by=facts, file=file)
    noise = Noise.load(file)
    return noise, {**noise.made_by, "class_share": class_share(noise, images)}


def class_share(noise: Noise, images: ImageSet) -> float:
    """How much of the noise's energy its mean over each class holds: 1 if it is class-wise."""
    values = noise.values.astype(np.float32)
    means = np.stack([values[images.labels == k].mean(0) for k in range(len(images.classes))])
    return round(float((means[images.labels] ** 2).mean() / (values**2).mean()), 3)


def accuracy(
    about: dict[str, Any], images: ImageSet, noise: Noise, test: ImageSet
) -> dict[str, Any]:
    """Clean test accuracy of a model trained on images with the noise, after a countermeasure."""
    run, does = Run.start(seed=about["seed"]), make_countermeasure(about["countermeasure"]).does
    train = does.prepare(common.published(images, noise), run=run)
    schedule = replace(SCHEDULES["quick"], epochs=about["epochs"], batch_size=about["batch_size"])
    score, _ = common.learnt(
        train, test, model=about["model"], schedule=schedule, run=run, countermeasure=does
    )
    return {"accuracy": score, "commit": common.commit(), "hardware": run.hardware()}


if __name__ == "__main__":
    main()
