"""Unlearnable classes: one and four of CIFAR-10's ten protected, the others as they are."""

from __future__ import annotations

from unlearnable.experiment import Entry, Figures, Finding, NoiseSpec, Published, Recipe, Trial
from unlearnable.recipes.scale import Scale

CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
PARTS = {"one class": ("bird",), "four classes": ("airplane", "automobile", "ship", "truck")}
PUBLISHED = {  # recognised of the protected and of the other classes
    ("one class", "sample-wise"): (4.6, 95.0),
    ("one class", "class-wise"): (0.1, 95.0),
    ("four classes", "sample-wise"): (0.4, 93.2),
}


def classes(scale: Scale) -> Recipe:
    """One (bird) and four protected classes, with confusion matrices."""
    clean = Trial(scale.data("cifar10"), scale.model("resnet18"), scale.schedule("cifar10"))
    entries, rows = [], []
    for part, names in PARTS.items():
        others = tuple(name for name in CLASSES if name not in names)
        # one class holds with room to spare; four are near the bound
        seeds = scale.seeds() if part == "four classes" else (0,)
        for column, asked in (("protected classes", names), ("other classes", others)):
            entries.append(Entry(f"{part}, clean", column, clean, seeds, classes=asked))
        for form in ("sample-wise", "class-wise"):
            noise = NoiseSpec.of("em", {"form": form, **scale.search}, classes=names)
            trial = clean.on(noise)
            row = f"{part}, {form}"
            rows.append((part, row))
            known = PUBLISHED.get((part, form), (None, None))
            for column, asked, value in zip(
                ("protected classes", "other classes"), (names, others), known, strict=True
            ):
                published = Published.known(value)
                entries.append(Entry(row, column, trial, seeds, asked, published))
    return Recipe(
        title="Unlearnable classes",
        about="How many test images ResNet-18 recognises of the protected classes of CIFAR-10, and "
        "of the others, whose training images are clean.",
        entries=tuple(entries),
        findings=(
            Finding(
                "Protected classes are recognised in at most 10 % of their test images.",
                lambda found: all(found[row, "protected classes"].mean <= 0.1 for _, row in rows),
            ),
            Finding(
                "The other classes lose at most 3 points.",
                lambda found: all(_lost(found, part, row) <= 0.03 for part, row in rows),
            ),
        ),
        cuts=scale.cuts(),
        confusions=True,
    )


def _lost(found: Figures, part: str, row: str) -> float:
    """What the other classes lose against the clean arm."""
    return found[f"{part}, clean", "other classes"].mean - found[row, "other classes"].mean
