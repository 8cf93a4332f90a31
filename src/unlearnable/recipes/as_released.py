"""The authors' published variant of their noise: what it does to the figures."""

from __future__ import annotations

from unlearnable.experiment import Entry, NoiseSpec, Recipe, Trial
from unlearnable.recipes.scale import Scale

VARIANTS: dict[str, dict[str, object]] = {
    "negative noise dropped": {"truncates": False},
    "truncated, not rounded": {"drops_negative": False},
    "both, as released": {},
}


def as_released(scale: Scale) -> Recipe:
    """Error-minimizing noise as it should be, and as the published code writes it to a data set."""
    start = Trial(scale.data("cifar10"), scale.model("resnet18"), scale.schedule("cifar10"))
    entries = [Entry("clean", "accuracy", start)]
    noises = {"as it should be": NoiseSpec.of("em", {"form": "sample-wise", **scale.search})}
    noises |= {
        row: NoiseSpec.of("as-released", {**settings, **scale.search})
        for row, settings in VARIANTS.items()
    }
    entries += [Entry(row, "accuracy", start.on(noise)) for row, noise in noises.items()]
    return Recipe(
        title="As released",
        about="The published code clamps the noise, not the image, when it writes the data set, "
        "which drops all negative noise, and truncates to whole levels instead of rounding.",
        entries=tuple(entries),
        cuts=scale.cuts(),
    )
