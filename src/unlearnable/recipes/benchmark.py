"""The bench: noises by countermeasures by models, on one data set; see `PUBLISHED` for its source.

Each noise has the norm and the budget that it was published with.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from unlearnable.countermeasures import make_countermeasure
from unlearnable.errors import unknown
from unlearnable.experiment import (
    Entry,
    Figures,
    Finding,
    NoiseSpec,
    Published,
    Recipe,
    Trial,
    learnability,
)
from unlearnable.methods import METHODS, make_method
from unlearnable.recipes.scale import QUICK_MODELS, Scale

PUBLISHED = {
    "em": (20.78, 92.03, 80.72, 82.51),
    "rem": (17.47, 92.27, 85.44, 77.46),
    "hypo": (70.38, 63.35, 85.21, 81.49),
    "tap": (6.27, 11.01, 84.08, 79.92),
    "lsp": (13.06, 64.70, 80.14, 81.38),
    "ar": (11.74, 35.17, 84.75, 81.15),
    "ops": (14.69, 19.88, 78.48, 14.95),
}
"""Of one later benchmark: 200 epochs of ResNet-18 on CIFAR-10, under `COLUMNS`."""
COLUMNS = ("none", "gray", "jpeg:10", "at:8")
GRID = ("em", "lsp", "ops", "tap", "aue", "hypo")
"""Under all countermeasures but adversarial training, which only `ATTACKED` meet."""
ATTACKED = ("em", "ops")
ALONE = ("ar", "cuda", "patches", "sem", "rem", "aap", "ops+em", "ar:332.6", "hypo:332.6")
"""Without countermeasures only; the last two as visible as LSP, 32.6 dB and less."""
STRONG = ("lsp", "ar", "ops", "cuda", "tap", "aue", "sem", "rem")
"""Those that are to leave a model at 25 % or less."""
LONGER, EPOCHS = ("clean", "lsp"), 30
"""What is trained for longer as well, at quick scale, as its figure there may be the schedule's."""
FEWER = ("clean", *ATTACKED)
"""What is trained on as few images as adversarial training sees there, but without it."""
UNLABELLED, WITHOUT_LABELS = "simclr", ("clean", "aue", "aap")
"""Learning without labels, and what meets it: these two noises were made against it too."""
SEEDS = {
    ("lsp", "none"): (0, 1, 2),
    ("rem", "none"): (0, 1, 2),
    **{(method, UNLABELLED): (0, 1) for method in WITHOUT_LABELS},
}
"""Of what lies within three points of a bound or of each other; elsewhere there is one."""
USUAL = {"em": 8}
"""What is written down although it is as published: so the paper's own recipes write it."""
COSTLY, FEW, BRIEF = 2, 500, "steps=3"
"""A countermeasure that makes a training so many times longer sees so many images of a class at
quick scale, and adversarial training is as brief as this."""


@dataclass(frozen=True)
class Choice:
    """A part of the bench, or more than it: names of noises, countermeasures and models.

    A noise may have another size than was published, as in `hypo:332.6`.
    """

    methods: tuple[str, ...] = ()
    countermeasures: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


def benchmark(scale: Scale, choice: Choice = Choice()) -> Recipe:
    """Noises under countermeasures, ranked by the worst that a countermeasure does to them.

    Args:
        scale: how large it is.
        choice: what is tried; where nothing is named, `GRID`, `ATTACKED` and `ALONE`.

    Raises:
        SettingError: an unknown method, countermeasure or model, or a size that is no number.
    """
    models = choice.models or ("resnet18",)
    for model in models:
        if scale.quick and model not in QUICK_MODELS:
            raise unknown("model", model, QUICK_MODELS)
    for method in choice.methods:
        if method != "clean":
            make_method(method.partition(":")[0])  # refuses what is no noise
    entries = []
    for model in models:
        of_model = "" if len(models) == 1 else f", {model}"
        for method, column in _places(choice):
            trial = _trial(scale, method, column, model)
            known = dict(zip(COLUMNS, PUBLISHED.get(method, ()), strict=False))
            published = Published(known[column], "L") if column in known else None
            seeds = SEEDS.get((method, column), (0,))
            entries.append(Entry(f"{method}{of_model}", column, trial, seeds, published=published))
    if scale.quick and choice == Choice():
        longer = scale.schedule("cifar10", epochs=EPOCHS)
        entries += _besides(scale, LONGER, f"{EPOCHS} epochs", schedule=longer)
        fewer = scale.data("cifar10", FEW)
        entries += _besides(scale, FEWER, f"{FEW} images a class", data=fewer)
    return Recipe(
        title="The bench: noises and countermeasures",
        about="Clean test accuracy on CIFAR-10 of models trained on protected images, each noise "
        "with its published budget, under countermeasures that are known to break such noise.",
        entries=tuple(entries),
        findings=_FINDINGS,
        cuts=scale.cuts(
            "Adversarial training, and learning without labels: 500 images a class.",
            "Adversarial training: PGD of 3 steps.",
            "Noises are found with their quick settings.",
        ),
        ranked=True,
    )


def _places(choice: Choice) -> list[tuple[str, str]]:
    """The rows and columns that are tried, clean images first."""
    if choice.methods or choice.countermeasures:
        columns = ("none", *(c for c in choice.countermeasures or COLUMNS if c != "none"))
        methods = ("clean", *(m for m in choice.methods or GRID if m != "clean"))
        return [(method, column) for method in methods for column in columns]
    places = [(method, column) for method in ("clean", *GRID) for column in COLUMNS[:3]]
    places += [(method, COLUMNS[3]) for method in ("clean", *ATTACKED)]
    places += [(method, UNLABELLED) for method in WITHOUT_LABELS]
    return places + [(method, "none") for method in ALONE]


def _besides(scale: Scale, methods: tuple[str, ...], says: str, **changed: Any) -> list[Entry]:
    """Trainings without a countermeasure that differ from those of the grid in one thing."""
    trials = {method: _trial(scale, method, "none", "resnet18") for method in methods}
    return [
        Entry(f"{m}, {says}", "none", replace(t, **changed), SEEDS.get((m, "none"), (0,)))
        for m, t in trials.items()
    ]


def _trial(scale: Scale, method: str, column: str, model: str) -> Trial:
    """The training of a place in the grid."""
    does = make_countermeasure(column).does
    costly = scale.quick and does.cost > COSTLY
    clean = Trial(
        scale.data("cifar10", FEW) if costly else scale.data("cifar10"),
        scale.model(model),
        scale.schedule("cifar10"),
        countermeasure=f"{column}:{BRIEF}" if costly and column.startswith("at:") else column,
    )
    if method == "clean":
        return clean
    name, _, size = method.partition(":")
    settings = {} if scale.quick else _as_published(name)
    epsilon = METHODS[name].published.sized(size).size if size else USUAL.get(name)
    return clean.on(
        NoiseSpec.of(name, settings, epsilon=epsilon), "protected", clean.countermeasure
    )


def _as_published(method: str) -> dict[str, object]:
    """The published settings of a method that has others too."""
    names = method.split("+")
    known = {key for name in names for key in METHODS[name].__dataclass_fields__}
    published = {"preset": "paper", "surrogate": "resnet18"}
    return {key: value for key, value in published.items() if key in known}


def _recovery(found: Figures, method: str, column: str) -> float:
    """What is learnt of the protected images, against the clean ones under the same."""
    return learnability(found[method, column], found["clean", column])


def _at_most(name: str) -> Finding:
    """The bound of a strong noise."""
    return Finding(
        f"{name}: clean test accuracy at most 25 %.", lambda found: found[name, "none"].mean <= 0.25
    )


_FINDINGS = (
    *map(_at_most, STRONG),
    Finding(
        "Greyscale undoes error-minimizing noise: recovery at least 0.75.",
        lambda found: _recovery(found, "em", "gray") >= 0.75,
    ),
    Finding(
        "Greyscale does not undo TAP and one-pixel shortcuts: recovery at most 0.5.",
        lambda found: max(_recovery(found, name, "gray") for name in ("tap", "ops")) <= 0.5,
    ),
    Finding(
        "JPEG at quality 10 undoes nearly all: recovery at least 0.75 of all six.",
        lambda found: min(_recovery(found, name, "jpeg:10") for name in GRID) >= 0.75,
    ),
    Finding(
        "Adversarial training undoes error-minimizing noise: recovery at least 0.75.",
        lambda found: _recovery(found, "em", "at:8") >= 0.75,
    ),
    Finding(
        "Adversarial training does not undo one-pixel shortcuts: recovery at most 0.5.",
        lambda found: _recovery(found, "ops", "at:8") <= 0.5,
    ),
    Finding(
        f"lsp, after {EPOCHS} epochs: clean test accuracy at most 25 %.",
        lambda found: found[f"lsp, {EPOCHS} epochs", "none"].mean <= 0.25,
    ),
)
