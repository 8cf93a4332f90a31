"""Table 1: data sets × target models × both forms of noise, all found against ResNet-18."""

from __future__ import annotations

from unlearnable.experiment import (
    Entry,
    Finding,
    NoiseSpec,
    Published,
    Recipe,
    Trial,
    learnability,
)
from unlearnable.recipes.scale import Scale

DATA = ("svhn", "cifar10", "cifar100", "imagenet")
MODELS = ("vgg11", "resnet18", "resnet50", "densenet121")
PUBLISHED = {  # trained on clean and on fully protected images, by data set
    ("sample-wise", "vgg11"): ((95.38, 35.91), (91.27, 29.00), (67.67, 17.71), (48.66, 11.38)),
    ("sample-wise", "resnet18"): ((96.02, 8.22), (94.77, 19.93), (70.96, 14.81), (60.42, 12.20)),
    ("sample-wise", "resnet50"): ((95.97, 7.66), (94.42, 18.89), (71.32, 12.19), (61.58, 11.12)),
    ("sample-wise", "densenet121"): (
        (96.37, 10.25), (95.04, 20.25), (74.15, 13.71), (63.76, 15.44)
    ),
    ("class-wise", "vgg11"): ((95.29, 23.44), (91.57, 16.93), (67.89, 7.13), (71.38, 2.30)),
    ("class-wise", "resnet18"): ((95.98, 9.05), (94.95, 16.42), (70.50, 3.95), (76.52, 2.70)),
    ("class-wise", "resnet50"): ((96.25, 8.94), (94.37, 13.45), (70.48, 3.80), (79.68, 2.70)),
    ("class-wise", "densenet121"): ((96.36, 9.10), (95.12, 14.71), (74.51, 4.75), (80.52, 3.28)),
}  # fmt: skip
# what differs from the usual search, as published; at quick scale nothing does
SEARCHES: dict[tuple[str, str], dict[str, object]] = {
    ("cifar100", "sample-wise"): {"batches": 20},
    ("imagenet", "sample-wise"): {"batches": 100, "stop_error": 0.1, "batch_size": 32},
    ("imagenet", "class-wise"): {"batches": 100, "stop_error": 0.1, "batch_size": 32},
}


def table1(scale: Scale) -> Recipe:
    """Clean test accuracy on clean (D_c) and on protected (D_u) training images."""
    places = [
        (data, form, model)
        for data in (("cifar10",) if scale.quick else DATA)
        for form in ("sample-wise", "class-wise")
        for model in MODELS
        if not scale.quick or form == "sample-wise" or model == "resnet18"
    ]
    entries = [entry for place in places for entry in _pair(*place, scale)]
    others = ("vgg11", "resnet50", "densenet121")
    return Recipe(
        title="Table 1: models and data sets",
        about="Clean test accuracy after training on clean and on protected images, the noise "
        "found against ResNet-18.",
        entries=tuple(entries),
        findings=(
            Finding(
                "Noise made on ResNet-18 carries to the other models: learnability at most 0.3.",
                lambda found: all(
                    learnability(
                        found[f"cifar10, sample-wise, {model}", "protected"],
                        found[f"cifar10, sample-wise, {model}", "clean"],
                    )
                    <= 0.3
                    for model in others
                ),
            ),
        ),
        cuts=scale.cuts(
            "1,000 images a class of CIFAR-10 alone; ResNet-18 and VGG-11 at a quarter of their "
            "width, ResNet-50 at an eighth, DenseNet-121 at a quarter of its growth; 15 epochs.",
            "Class-wise noise on ResNet-18 alone.",
            per_class=None,
        ),
    )


def _pair(data: str, form: str, model: str, scale: Scale) -> list[Entry]:
    """The entries of one line: trained on clean and on protected images."""
    further = {} if scale.quick else SEARCHES.get((data, form), {})
    settings = {"form": form, **scale.search, **further}
    noise = NoiseSpec.of("em", settings, epsilon=16 if data == "imagenet" else 8)
    clean = Trial(scale.data(data), scale.model(model), scale.schedule(data))
    published = PUBLISHED[form, model][DATA.index(data)]
    row = f"{data}, {form}, {model}"
    return [
        Entry(row, column, trial, published=Published(value))
        for column, trial, value in zip(
            ("clean", "protected"), (clean, clean.on(noise)), published, strict=True
        )
    ]
