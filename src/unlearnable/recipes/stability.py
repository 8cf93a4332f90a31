"""Stability: what the settings of the search change."""

from __future__ import annotations

from unlearnable.experiment import Entry, NoiseSpec, Recipe, Trial
from unlearnable.recipes.scale import Scale

SEARCHES: dict[str, dict[str, object]] = {
    "as by default": {},
    "M 5": {"batches": 5},
    "M 20": {"batches": 20},
    "T 3": {"steps": 3},
    "T 12": {"steps": 12},
    "λ 0.1": {"stop_error": 0.1},
    "λ 0.001": {"stop_error": 0.001},
    "surrogate ResNet-50": {"surrogate": "resnet50"},
    "a tenth of the images at first": {"subset": 0.1},
    "all images from the start": {"subset": 1.0},
}


def stability(scale: Scale) -> Recipe:
    """M, T, λ, the surrogate, and the share of the images that the search begins with."""
    start = Trial(scale.data("cifar10", 400), scale.model("resnet18"), scale.schedule("cifar10"))
    entries = [Entry("clean", "accuracy", start)]
    for row, settings in SEARCHES.items():
        named = {
            key: scale.model(str(value)) if key == "surrogate" else value
            for key, value in settings.items()
        }
        entries.append(
            Entry(row, "accuracy", start.on(NoiseSpec.of("em", {**scale.search, **named})))
        )
    return Recipe(
        title="Stability of the search",
        about="Clean test accuracy of ResNet-18 on protected CIFAR-10, one setting of the search "
        "changed at a time. The paper states no such figures.",
        entries=tuple(entries),
        cuts=scale.cuts(per_class=400),
    )
