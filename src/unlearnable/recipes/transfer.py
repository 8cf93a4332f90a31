"""Transfer: class-wise noise from one data set on another's classes; a class among others.

Transfer from one model to others is table 1 itself.
"""

from __future__ import annotations

from unlearnable.experiment import (
    Data,
    Entry,
    Finding,
    NoiseSpec,
    Published,
    Recipe,
    Trial,
    learnability,
)
from unlearnable.recipes.scale import Scale

SHIPS = 500
MODELS = ("resnet18", "resnet50", "densenet121")


def transfer(scale: Scale) -> Recipe:
    """From ImageNet to CIFAR-10, and CIFAR-101: CIFAR-100 and protected ships as one class more."""
    source = Data("tinyimagenet100") if scale.quick else Data("imagenet32")
    target, schedule = scale.data("cifar10"), scale.schedule("cifar10")
    searched = scale.search if scale.quick else {**scale.search, "batches": 250, "stop_error": 0.1}
    noise = NoiseSpec.of("em", {"form": "class-wise", **searched}, epsilon=16, found_on=source)
    entries = []
    for model in MODELS[:1] if scale.quick else MODELS:
        clean = Trial(target, scale.model(model), schedule)
        entries.append(Entry(f"{model}, CIFAR-10", "clean", clean))
        noisy = clean.on(noise)
        entries.append(Entry(f"{model}, CIFAR-10", "protected", noisy, published=Published(9.5)))
    many = "tinyimagenet100" if scale.quick else "cifar100"
    joined = Data(many, 100 if scale.quick else None, plus=(("cifar10", "ship", SHIPS),))
    ships = NoiseSpec.of(
        "em",
        {"form": "class-wise", **scale.search},
        classes=("ship",),
        found_on=Data("cifar10"),
    )
    clean = Trial(joined, scale.model("resnet18"), scale.schedule("cifar100"))
    noisy = clean.on(ships)
    row = f"{SHIPS} ships among {many}"
    entries += [
        Entry(row, "all, clean", clean),
        Entry(row, "all", noisy, published=Published(71.0)),
        Entry(row, "ships, clean", clean, classes=("ship",)),
        Entry(row, "ships", noisy, classes=("ship",), published=Published(20.0)),
    ]
    return Recipe(
        title="Transfer",
        about="Class-wise noise that was found on other images: a class takes the noise of the "
        "class with its name, or else the next in order.",
        entries=tuple(entries),
        findings=(
            Finding(
                "Noise carries to another data set: learnability at most 0.3.",
                lambda found: (
                    learnability(
                        found["resnet18, CIFAR-10", "protected"],
                        found["resnet18, CIFAR-10", "clean"],
                    )
                    <= 0.3
                ),
            ),
        ),
        cuts=scale.cuts(
            "Noise from 100 classes of 500 images at 32 px, not from 1,000 classes; 1,000 images "
            "a class of CIFAR-10, 100 a class of the hundred; ResNet-18 at a quarter of its width, "
            "15 epochs.",
            per_class=None,
        ),
    )
