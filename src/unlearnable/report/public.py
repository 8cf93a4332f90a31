"""What of a report may be seen by everybody.

Nothing is struck out of texts: they are written anew from figures. So a name cannot slip through
in a sentence that nobody thought of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from unlearnable.report.material import Material
from unlearnable.report.table import COLUMNS
from unlearnable.report.words import verdict_words

PRIVATE = re.compile("seed|key|digest|hash|sha256|file|path|folder|source", re.IGNORECASE)
HARMLESS = re.compile(
    r"(?!.*\.([a-z]\w{0,3}|safetensors)\b)(?!.*[0-9a-f]{16})[\w:.,=+()@ -]{0,80}", re.IGNORECASE
)
"""A word that names no file and is no hash."""
DOUBTS = {
    "leak": "Some test images are training images, or nearly.",
    "files": "The files are not as they were written.",
    "budget": "The files are further from their originals than the budget allows.",
    "labels": "Labels of the test images seem to be exchanged.",
    "few": "A class has hardly a test image.",
    "partial": "Only some classes carry the noise: all accuracies are about them alone.",
    "clean": "The clean arm learnt too little to compare with.",
    "seeds": "Trainings that differ by chance alone disagree.",
    "wide": "An interval is too wide to say much.",
    "ruined": "A countermeasure ruins the training itself, and is left out of the verdict.",
}
"""What may be said of a doubt, by what it is about."""
AS_IT_IS = ("unlearnable", "chance", "images", "size", "files", "scale", "seconds", "verdict")
SETTINGS = ("method", "schedule", "hardware", "versions", "budget")
HIDDEN = "…"
LARGEST = 10**6  # a whole number above may be a seed, whatever it is called


def redacted(material: Material) -> Material:
    """The same without images, noise, seeds, hashes, and names of files and folders."""
    names = _masks((row["countermeasure"] for row in material.rows), "countermeasure")
    models = _masks((row["model"] for row in material.rows), "model")

    def masked(row: dict[str, Any]) -> dict[str, Any]:
        shown = {"countermeasure": names.get(row["countermeasure"])}
        return row | shown | {"model": models.get(row["model"])}

    audit = _without_names(material.audit)
    verdict = masked(audit["verdict"])
    audit["verdict"] = verdict | {"words": verdict_words(verdict)}
    audit["rows"] = [masked(row) for row in audit["rows"]]
    trained = tuple(
        replace(t, countermeasure=names[t.countermeasure], model=models[t.model], runs=())
        for t in material.trained
    )
    return replace(material, audit=audit, trained=trained, seeds=(), samples=None)


def _without_names(audit: dict[str, Any]) -> dict[str, Any]:
    """The content of `audit.json` that may be seen, but for names in its verdict and rows."""
    shown = {key: audit[key] for key in AS_IT_IS}
    shown |= {key: _harmless(audit[key]) for key in SETTINGS}
    return shown | {
        "protected": "the protected images",
        "clean": "the originals",
        "test": "the test images",
        "created": audit["created"][:10],
        "classes": [f"class {number + 1}" for number in range(len(audit["classes"]))],
        "doubts": [_doubt(doubt) for doubt in audit["doubts"]],
        "rows": [_row(row) for row in audit["rows"]],
        "cells": [],
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    shown = {key: row[key] for key in COLUMNS if key in row}
    return shown | {"interval_over": (row.get("interval_over") or "").replace("seed", "training")}


def _masks(names: Iterable[str], kind: str) -> dict[str, str]:
    """What each name is called in public: a number, if it could be a file's."""
    found = dict.fromkeys(names)
    return {
        name: name if _is_harmless(name) else f"{kind} {number}"
        for number, name in enumerate(found, start=1)
    }


def _is_harmless(text: str) -> bool:
    return bool(HARMLESS.fullmatch(text)) and not PRIVATE.search(text)


def _doubt(doubt: dict[str, Any]) -> dict[str, Any]:
    sentence = DOUBTS.get(doubt["about"], "One that the private report names.")
    return {"sentence": sentence, "fatal": doubt["fatal"]}


def _harmless(value: Any) -> Any:
    """Settings without those that could be a seed, a hash or a place."""
    if isinstance(value, dict):
        kept = {key: _harmless(inner) for key, inner in value.items() if not PRIVATE.search(key)}
        return {key: inner for key, inner in kept.items() if inner != HIDDEN}
    if isinstance(value, list):
        return [inner for inner in map(_harmless, value) if inner != HIDDEN]
    if isinstance(value, str):
        return value if _is_harmless(value) else HIDDEN
    return HIDDEN if isinstance(value, int) and value > LARGEST else value
