"""Table 2: what protected images add to the clean ones, when a part of a data set is protected."""

from __future__ import annotations

from dataclasses import replace

from unlearnable.experiment import Entry, Figures, Finding, NoiseSpec, Published, Recipe, Trial
from unlearnable.recipes.scale import Scale

PUBLISHED = {
    "sample-wise": {0.2: 94.38, 0.4: 93.10, 0.6: 91.90, 0.8: 86.85},
    "class-wise": {0.2: 94.24, 0.4: 92.99, 0.6: 91.10, 0.8: 87.23},
}
WHOLE = {"sample-wise": 19.93, "class-wise": 16.42}
SHARES = (0.2, 0.4, 0.6, 0.8)


def table2(scale: Scale) -> Recipe:
    """Protected shares of CIFAR-10, against the clean part alone at equal optimiser steps."""
    shares = (0.4, 0.8) if scale.quick else SHARES
    forms = ("sample-wise",) if scale.quick else tuple(WHOLE)
    start = Trial(scale.data("cifar10"), scale.model("resnet18"), scale.schedule("cifar10"))
    entries, rows = [], []
    for form in forms:
        noise = NoiseSpec.of("em", {"form": form, **scale.search})
        for share in shares:
            row = f"{form}, {100 * share:.0f} % protected"
            rows.append(row)
            value = Published(PUBLISHED[form][share])
            entries.append(Entry(row, "mix", start.on(noise, f"mix:{share:g}"), published=value))
            entries.append(Entry(row, "clean part alone", replace(start, arm=f"part:{share:g}")))
        row, value = f"{form}, 100 % protected", Published(WHOLE[form])
        entries.append(Entry(row, "mix", start.on(noise), published=value))
    return Recipe(
        title="Table 2: part of a data set protected",
        about="Clean test accuracy of ResNet-18 on CIFAR-10 when a share of the images is "
        "protected, beside the rest alone, trained for as many steps.",
        entries=tuple(entries),
        findings=(
            Finding(
                "Protected images add at most 3 points to the clean ones.",
                lambda found: all(_added(found, row) <= 0.03 for row in rows),
            ),
        ),
        cuts=scale.cuts("Sample-wise noise alone, at two shares."),
    )


def _added(found: Figures, row: str) -> float:
    return found[row, "mix"].mean - found[row, "clean part alone"].mean
