"""Faces: some identities protected among others, recognition, and verification."""

from __future__ import annotations

from unlearnable.experiment import (
    Data,
    Entry,
    Finding,
    Noise,
    Published,
    Recipe,
    Trial,
)
from unlearnable.recipes.scale import Scale

IDENTITIES = tuple(f"s{number}" for number in range(1, 41))
PROTECTED, SEEDS = IDENTITIES[:10], 5


def faces(scale: Scale) -> Recipe:
    """Partly protected identities (published: 50 of 10,575), and all of them protected."""
    name, size = ("orlfaces", 48) if scale.quick else ("webface", 112)
    data = Data(name, kept=2, size=size)
    settings = {"form": "class-wise", "batch_size": 32, "stop_error": 0.1, **scale.search}
    if not scale.quick:
        settings["batches"] = 30
    part = Noise.of("em", settings, epsilon=16, classes=PROTECTED)
    whole = Noise.of("em", settings, epsilon=16)
    schedule = scale.schedule(
        "cifar10", epochs=60 if scale.quick else 50, batch_size=32, learning_rate=0.05
    )
    model, others = scale.model("resnet18"), IDENTITIES[len(PROTECTED) :]
    clean = Trial(data, model, schedule, verifies=True)
    partly, wholly = clean.on(part), clean.on(whole)
    seeds = scale.seeds(SEEDS)
    recognised = [
        Entry(f"{row}, recognised", column, trial, seeds, classes=asked, published=published)
        for row, trial, known in (
            ("clean", clean, (None, None)),
            ("partly protected", partly, (Published(16, "2nd"), Published(86, "2nd"))),
        )
        for column, asked, published in zip(
            ("protected identities", "others"), (PROTECTED, others), known, strict=True
        )
    ]
    verified = [
        Entry(row, "AUC × 100", trial, seeds, published=published, measure="verification")
        for row, trial, published in (
            ("clean, verified by embeddings", clean, Published(99.75)),
            ("partly protected, verified by embeddings", partly, None),
            ("wholly protected, verified by embeddings", wholly, Published(53.21)),
        )
    ]
    verified.append(Entry("verified by pixels alone", "AUC × 100", clean, measure="pixels"))
    return Recipe(
        title="Faces",
        about="Recognition of ten protected identities and of the others, and whether the "
        "embeddings of two test images tell that they show one person.",
        entries=(*recognised, *verified),
        findings=(
            Finding(
                "Protected identities are recognised at most a quarter as often as the others.",
                lambda found: (
                    found["partly protected, recognised", "protected identities"].mean
                    <= found["partly protected, recognised", "others"].mean / 4
                ),
            ),
            Finding(
                "The others are recognised within 5 points of clean.",
                lambda found: (
                    found["partly protected, recognised", "others"].mean
                    >= found["clean, recognised", "others"].mean - 0.05
                ),
            ),
        ),
        cuts=scale.cuts(
            "40 identities of 10 photos in grey at 48 px, 8 to train and 2 to test with; ResNet-18 "
            "at a quarter of its width, 60 epochs. The published model has 10,575 identities.",
            per_class=None,
        ),
    )
