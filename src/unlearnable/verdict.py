"""What an audit may say: what makes its result doubtful, and the verdict in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEARNT = 0.1
"""The clean arm learnt if its accuracy is surely this share of the way from chance to 1."""
DISAGREE = 0.2
"""The widest range of learnability over seeds that still counts as one result."""
LEAKED = {"exact": 0.05, "near": 0.2}
"""The largest share of test images that may be training images."""
WIDE = 0.5
"""The widest interval of learnability that still says something."""
FEW = 4
"""The fewest test images a class."""
KEEPS = 0.25
"""A countermeasure under which the clean arm's learnability is less ruins any training."""
HOLDS, GONE = 0.25, 0.5
"""Up to here a protection holds in words; from here it does not survive."""


@dataclass(frozen=True)
class Doubt:
    """A reason to doubt a result.

    Attributes:
        about: one word for it.
        sentence: what was found, and what was allowed.
        fatal: whether there can be no verdict.
    """

    about: str
    sentence: str
    fatal: bool = True


@dataclass(frozen=True)
class Verdict:
    """What an audit says of a protection.

    Attributes:
        decided: False if a doubt forbids a verdict; the figures are then None.
        words: sentences for a layman.
        learnability: the largest over countermeasures and models, with its interval.
        countermeasure, model: where it was found.
    """

    decided: bool
    words: tuple[str, ...]
    learnability: float | None = None
    low: float | None = None
    high: float | None = None
    countermeasure: str | None = None
    model: str | None = None


def leaked(exact: int, near: int, test: int) -> list[Doubt]:
    """Doubts about test images that are training images; counts before they were left out."""
    counts = {"exact": exact, "near": near}
    if not exact + near:
        return []
    said = (
        f"{exact + near} of {test} test images are training images ({exact} exactly, {near} "
        "nearly): they were left out of the test"
    )
    over = [
        f"{kind} ones are over {LEAKED[kind]:.0%}"
        for kind, count in counts.items()
        if count > LEAKED[kind] * test
    ]
    if over:
        said += f"; {' and '.join(over)}, so the two sets were not drawn apart"
    return [Doubt("leak", f"{said}.", fatal=bool(over))]


def too_few(counts: Mapping[str, int]) -> list[Doubt]:
    """Doubts about classes with hardly a test image."""
    few = {name: count for name, count in counts.items() if count < FEW}
    if not few:
        return []
    name, count = min(few.items(), key=lambda item: item[1])
    return [
        Doubt("few", f"the class {name} has {count} test images: there must be {FEW} at least.")
    ]


def swapped(confusion: NDArray[Any], classes: Sequence[str]) -> list[Doubt]:
    """Doubts about two classes that the clean arm takes for each other.

    Args:
        confusion: counts of the clean arm, (K, K): a row for each true class.
        classes: their names.
    """
    share = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    pairs = zip(*np.nonzero(np.triu((share > 0.5) & (share.T > 0.5), 1)), strict=True)
    return [
        Doubt(
            "labels",
            f"the clean arm takes most test images of {classes[a]} for {classes[b]}, and the other "
            "way round: are their labels swapped?",
        )
        for a, b in pairs
    ]


def partial(classes: Sequence[str]) -> Doubt:
    """What must be said where only some classes are protected."""
    names = ", ".join(classes)
    sentence = f"only {names} carry the noise: all accuracies are about them alone."
    return Doubt("partial", sentence, fatal=False)


def doubts_of(rows: Sequence[dict[str, Any]]) -> list[Doubt]:
    """Doubts that the trained models raise."""
    found = []
    for clean in _of(rows, "clean", "none"):
        least = clean["chance"] + LEARNT * (1 - clean["chance"])
        if clean["accuracy_low"] < least:
            found.append(
                Doubt(
                    "clean",
                    f"{clean['model']} did not learn from clean images: {_percent(clean)}, at "
                    f"least {100 * clean['accuracy_low']:.1f} %, and {100 * least:.1f} % were "
                    "needed; train longer, or on more images.",
                )
            )
    for row in _usable(rows):
        where = f"{row['model']} under {row['countermeasure']}"
        seeds = [value for value in row["learnability_by_seed"] if value is not None]
        if max(seeds) - min(seeds) > DISAGREE:
            found.append(
                Doubt(
                    "seeds",
                    f"seeds disagree: the learnability of {where} goes from {min(seeds):.2f} to "
                    f"{max(seeds):.2f}; {DISAGREE} is allowed; add seeds.",
                )
            )
        low, high = row["low"], row["high"]
        if low is None or high - low > WIDE:
            width = "without end" if low is None else f"{low:.2f} to {high:.2f}"
            found.append(
                Doubt(
                    "wide",
                    f"the interval of {where} is {width}, and {WIDE} is the widest allowed: add "
                    "test images.",
                )
            )
    found += [
        Doubt(
            "ruined",
            f"{row['countermeasure']} ruins the training of {row['model']} itself: from clean "
            f"images it reaches a learnability of {row['learnability']:.2f}, under {KEEPS}; it is "
            "left out of the verdict.",
            fatal=False,
        )
        for row in _ruined(rows)
    ]
    return found


def judge(
    rows: Sequence[dict[str, Any]], doubts: Iterable[Doubt], words: Mapping[str, str]
) -> Verdict:
    """The verdict: the worst case over countermeasures and models.

    Args:
        rows: of `summary.summarise`.
        doubts: all that were found.
        words: what each countermeasure is called in a sentence.
    """
    fatal = [doubt.sentence for doubt in doubts if doubt.fatal]
    if fatal:
        further = (f"And {sentence}" for sentence in fatal[1:])
        return Verdict(False, (f"No verdict: {fatal[0]}", *further))
    usable = _usable(rows)
    if not usable:
        return Verdict(False, ("No verdict: it takes the arms clean and protected.",))
    worst = max(usable, key=lambda row: row["learnability"])
    found = [row for row in usable if row["model"] == worst["model"]]
    return Verdict(
        True,
        tuple(_sentences(rows, found, words)),
        *(worst[key] for key in ("learnability", "low", "high", "countermeasure", "model")),
    )


def _of(rows: Sequence[dict[str, Any]], arm: str, countermeasure: str) -> list[dict[str, Any]]:
    """The rows of an arm under a countermeasure, one a model."""
    return [row for row in rows if (row["arm"], row["countermeasure"]) == (arm, countermeasure)]


def _usable(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Protected rows that have a learnability, without those that ruin training itself."""
    ruined = {(row["model"], row["countermeasure"]) for row in _ruined(rows)}
    return [
        row
        for row in rows
        if row["arm"] == "protected"
        and row["learnability"] is not None
        and (row["model"], row["countermeasure"]) not in ruined
    ]


def _ruined(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        row
        for row in rows
        if row["arm"] == "clean"
        and row["learnability"] is not None
        and row["countermeasure"] != "none"
        and row["learnability"] < KEEPS
    ]


def _sentences(
    rows: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]], words: Mapping[str, str]
) -> list[str]:
    """What one model learnt, without and with each countermeasure."""
    model = found[0]["model"]
    clean = next(row for row in _of(rows, "clean", "none") if row["model"] == model)
    plain = [row for row in found if row["countermeasure"] == "none"]
    tried = [row for row in found if row["countermeasure"] != "none"]
    said = [
        f"A model trained on these files reached {_percent(row)} on clean pictures (chance "
        f"{100 * row['chance']:.0f} %, unprotected {_percent(clean)})"
        + (": the files are not protected." if row["learnability"] >= GONE else ".")
        for row in plain
    ]
    for row in sorted(tried, key=lambda row: -row["learnability"]):
        name = words[row["countermeasure"]]
        if row["learnability"] >= GONE:
            said.append(
                f"After {name} it reached {_percent(row)}: this protection does not survive {name}."
            )
        elif row["learnability"] > HOLDS:
            said.append(f"After {name} it reached {_percent(row)}: that weakens this protection.")
    held = [row for row in tried if row["learnability"] <= HOLDS]
    if held:
        most = max(held, key=lambda row: row["accuracy"])
        names = _listed([words[row["countermeasure"]] for row in held])
        said.append(f"It holds under {names}, where at most {_percent(most)} was reached.")
    if not tried:
        said.append(
            "No countermeasure was tried: greyscale, JPEG and adversarial training are known to "
            "undo much of such noise."
        )
    if found[0]["n"] == 1:
        said.append("This rests on one seed: another may differ by more than the interval says.")
    return said


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['accuracy']:.0f} %"
