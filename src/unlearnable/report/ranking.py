"""Noises ranked by the countermeasure that undoes most of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unlearnable.experiment import Figures, Recipe, learnability
from unlearnable.noise import Budget
from unlearnable.report.table import percent

CLEAN, PLAIN = "clean", "none"  # the row of clean images, and the column without a countermeasure


@dataclass(frozen=True)
class Ranked:
    """A noise and what is left of it.

    Attributes:
        row: its row in the recipe.
        recoveries: by column, what is learnt above chance against clean images under the same.
        accuracies: by column, 0..1.
        budget, psnr: as its record says; empty where that says nothing.
    """

    row: str
    recoveries: Mapping[str, float]
    accuracies: Mapping[str, float]
    budget: str = ""
    psnr: str = ""

    @property
    def worst(self) -> tuple[float, str]:
        """The largest recovery and its column."""
        return max((share, column) for column, share in self.recoveries.items())

    @property
    def tested(self) -> bool:
        """Whether any countermeasure was tried on it."""
        return set(self.recoveries) != {PLAIN}


def ranked(recipe: Recipe, figures: Figures, cells: Mapping[str, Any]) -> list[Ranked]:
    """The measured rows, those that withstand most first, and last those that met nothing."""
    found = []
    for row in dict.fromkeys(entry.row for entry in recipe.entries):
        entries = [e for e in recipe.entries if e.row == row and (row, e.column) in figures]
        _, comma, which = row.partition(", ")
        clean = CLEAN + comma + which  # of the same model
        recoveries = {
            e.column: learnability(figures[row, e.column], figures[clean, e.column])
            for e in entries
            if (clean, e.column) in figures
        }
        if row == clean or not recoveries:
            continue
        records = [cells[t.id].get("noise") for e in entries for t in e.trials if t.id in cells]
        noise = next((record for record in records if record), None)
        found.append(
            Ranked(
                row,
                recoveries,
                {e.column: figures[row, e.column].mean for e in entries},
                Budget(**noise["budget"]).words if noise else "",
                f"{noise['psnr']:.1f}" if noise else "",
            )
        )
    return sorted(found, key=lambda one: (not one.tested, one.worst))


def columns(recipe: Recipe) -> list[str]:
    """The countermeasures of a recipe, in its order."""
    return list(dict.fromkeys(entry.column for entry in recipe.entries))


def ranking(
    recipe: Recipe, figures: Figures, cells: Mapping[str, Any]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads and lines of the table: accuracy in %, and the worst that a countermeasure does."""
    names = columns(recipe)
    heads = ("noise", "budget", "PSNR", *names, "worst recovery", "under")
    lines = []
    for one in ranked(recipe, figures, cells):
        shown = [percent(one.accuracies[n]) if n in one.accuracies else "–" for n in names]
        share, column = one.worst
        lines.append((one.row, one.budget, one.psnr, *shown, f"{share:.2f}", column))
    clean = [percent(figures[CLEAN, n].mean) if (CLEAN, n) in figures else "–" for n in names]
    return heads, [(CLEAN, "", "", *clean, "", ""), *lines]
