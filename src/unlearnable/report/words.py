"""The sentences of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

ARMS = {
    "protected": "the files as published",
    "clean": "the originals",
    "random": "the originals with random noise of equal budget",
}


def described(arm: str) -> str:
    """What the models of an arm are trained on.

    Example:
        >>> described("mix:0.2:classes")
        '20 % of the classes protected, the others clean'
    """
    if arm in ARMS:
        return ARMS[arm]
    kind, share, *by = arm.split(":")
    what = by[0] if by else "images"
    if kind == "mix":
        return f"{100 * float(share):g} % of the {what} protected, the others clean"
    return f"the clean {what} of that mix alone, for as many steps"


def verdict_words(verdict: dict[str, Any]) -> list[str]:
    """A verdict in words that come from its figures alone."""
    if not verdict["decided"]:
        return ["No verdict.", "What was measured does not bear one."]
    return [
        f"Trained on the protected images, a model learnt {100 * verdict['learnability']:.0f} % of "
        "what it learns from the originals.",
        f"That is the most that was learnt, by {verdict['model']}{_under(verdict)}.",
    ]


def _under(verdict: dict[str, Any]) -> str:
    name = verdict["countermeasure"]
    return " without any countermeasure" if name == "none" else f" under {name}"


def caveats(audit: dict[str, Any]) -> list[tuple[str, str]]:
    """What a reader must not conclude: a few words, and why."""
    rows, images = audit["rows"], audit["images"]
    covers = sorted({row["interval_over"] for row in rows if row.get("interval_over")})
    tried = [name for name in _each(rows, "countermeasure") if name != "none"]
    return [
        (
            "It holds for what was tested and for nothing else:",
            f"{listed(_each(rows, 'model'))}, trained {listed(_each(rows, 'epochs'))} epochs on "
            f"{images['train']:,} images of {len(audit['classes'])} classes, "
            f"{'against ' + listed(tried) if tried else 'with no countermeasure at all'}. "
            "Another model, a longer training, other data or another countermeasure may learn "
            "more.",
        ),
        (
            "Countermeasures exist.",
            "JPEG compression, greyscale or adversarial training undo much of such noise, and "
            "whoever knows of it can use them.",
        ),
        (
            "The interval covers chance in the measurement only"
            + (f" ({listed(covers)})." if covers else "."),
            "It does not cover another noise for the same images, other images, or other settings "
            "of the training.",
        ),
        (
            "Accuracy is that of the last epoch,",
            "or of the one that a countermeasure chose without looking at the test images. Each "
            "class counts the same. The best epoch on the test images is never reported.",
        ),
        (
            "Learnability is relative.",
            "It compares with the same model, trained as long on the originals. Where that one "
            "learns little, the ratio says little.",
        ),
        (
            "It does nothing against models or copies that exist already.",
            "A model that was trained elsewhere recognises protected images as well as others, "
            "and where enough unprotected images of the same classes are to be had, a model "
            "learns from those.",
        ),
    ]


def _each(rows: Sequence[dict[str, Any]], what: str) -> list[Any]:
    return list(dict.fromkeys(row[what] for row in rows if what in row))


def listed(words: Sequence[Any]) -> str:
    """Words in a row.

    Example:
        >>> listed(["gray", "jpeg:10", "cutout"])
        'gray, jpeg:10 and cutout'
    """
    *first, last = [str(word) for word in words] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def duration(seconds: float) -> str:
    """A time in words.

    Example:
        >>> duration(5025)
        '1 h 24 min'
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
