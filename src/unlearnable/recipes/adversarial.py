"""Adversarial training: what it learns from protected images, by its radius and by the noise's."""

from __future__ import annotations

from dataclasses import replace

from unlearnable.experiment import (
    Entry,
    Finding,
    NoiseSpec,
    Recipe,
    Trial,
    learnability,
)
from unlearnable.recipes.scale import Scale

WHOLE = {"epochs": 100, "policy": "steps"}


def adversarial(scale: Scale) -> Recipe:
    """Training radii against noise of ε 8, 16 and 24."""
    radii = (4, 8) if scale.quick else (2, 4, 8)
    sizes = (8, 16) if scale.quick else (8, 16, 24)
    steps = 3 if scale.quick else 10
    schedule = scale.schedule("cifar10", **({} if scale.quick else WHOLE))
    clean = Trial(scale.data("cifar10", 500), scale.model("resnet18"), schedule)
    trained_on = {"clean": clean}
    for size in sizes:
        start = {"start": "random"} if size > 8 and not scale.quick else {}
        noise = NoiseSpec.of("em", {**scale.search, **start}, epsilon=size)
        trained_on[f"protected, ε {size}"] = clean.on(noise)
    columns = {"no adversarial training": "none"}
    columns |= {f"radius {radius}": f"at:{radius}:steps={steps}" for radius in radii}
    entries = [
        Entry(row, column, replace(trial, countermeasure=countermeasure))
        for row, trial in trained_on.items()
        for column, countermeasure in columns.items()
    ]
    return Recipe(
        title="Adversarial training",
        about="Clean test accuracy of ResNet-18 on CIFAR-10, adversarially trained at several "
        "radii on noise of several sizes. Published: it recovers most of the accuracy.",
        entries=tuple(entries),
        findings=(
            Finding(
                "Adversarial training at radius 8 undoes noise of ε 8: recovery at least 0.85.",
                lambda found: (
                    learnability(found["protected, ε 8", "radius 8"], found["clean", "radius 8"])
                    >= 0.85
                ),
            ),
        ),
        cuts=scale.cuts("PGD of 3 steps.", per_class=500),
    )
