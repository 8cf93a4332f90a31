"""The appendix: patches of noise, two noises a class, uniform noise and smoothing on top."""

from __future__ import annotations

from unlearnable.experiment import Entry, NoiseSpec, Recipe, Trial
from unlearnable.recipes.scale import Scale

SIDES = (8, 16, 24)
ON_TOP = {"uniform noise added": "uniform:8", "mean filter": "mean", "median filter": "median"}


def patches(scale: Scale) -> Recipe:
    """Noise of a part of each image, several noises a class, and two kinds of denoising."""
    start = Trial(scale.data("cifar10"), scale.model("resnet18"), scale.schedule("cifar10"))
    entries = [Entry("clean", "accuracy", start)]
    fewer: dict[str, object] = {} if scale.quick else {"steps": 1, "stop_error": 0.1}

    def add(row: str, settings: dict[str, object], countermeasure: str = "none") -> None:
        noise = NoiseSpec.of("em", {**scale.search, **settings})
        trial = start.on(noise, countermeasure=countermeasure)
        entries.append(Entry(row, "accuracy", trial))

    for side in SIDES:
        add(f"{side} px, centred, sample-wise", {"patch": side, **fewer})
    for side in SIDES:
        add(f"{side} px, at random, sample-wise", {"patch": side, "place": "random", **fewer})
    for side in SIDES:
        add(
            f"{side} px, at random, one a class",
            {"shared": 1, "patch": side, "place": "random", **fewer},
        )
    add("two noises a class", {"shared": 2, **fewer})
    for row, countermeasure in ON_TOP.items():
        add(f"sample-wise, {row}", {"form": "sample-wise"}, countermeasure)
    return Recipe(
        title="Patches, several noises, denoising",
        about="Clean test accuracy of ResNet-18 on CIFAR-10 with noise in a square of each image, "
        "with two noises for each class, and with what a trainer may do about noise.",
        entries=tuple(entries),
        cuts=scale.cuts(
            "A patch of a class is placed once for each published image, not anew in each epoch.",
        ),
    )
