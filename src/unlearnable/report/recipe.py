"""The table, the page and the picture of a recipe: published and ours, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from unlearnable.experiment import PROVENANCE, Entry, Figures, Recipe
from unlearnable.report.plot import plot
from unlearnable.report.ranking import ranking
from unlearnable.report.table import grid, percent
from unlearnable.report.template import template
from unlearnable.storage import write_bytes

HEADINGS = ("row", "column", "published", "ours", "n", "difference")
RANKED = (
    "Recovery: what is learnt above chance, against clean images under the same countermeasure. "
    "The noises are ranked by the largest that was measured; last come those that met no "
    "countermeasure. PSNR in dB."
)
Cells = Mapping[str, dict[str, Any]]


def write_recipe(
    recipe: Recipe, figures: Figures, cells: Cells, out: Path, name: str
) -> tuple[Path, Path, Path]:
    """Write `name.md`, `name.html` and `name.svg` into a folder.

    Args:
        recipe: what was measured.
        figures: the measured ones by row and column.
        cells: the records of the trainings, by their ids.
        out: the folder.
        name: of the files.
    """
    picture = plot(recipe, figures, cells)
    html = template("recipe.html").render(
        recipe=recipe,
        headings=HEADINGS,
        lines=lines(recipe, figures),
        ranking=ranking(recipe, figures, cells) if recipe.ranked else None,
        findings=findings(recipe, figures),
        notes=notes(recipe, cells),
        picture=Markup(picture[picture.index("<svg") :]),
    )
    paths = tuple(out / f"{name}.{suffix}" for suffix in ("md", "html", "svg"))
    for path, text in zip(paths, (markdown(recipe, figures, cells), html, picture), strict=True):
        write_bytes(path, text.encode())
    table, page, drawn = paths
    return table, page, drawn


def lines(recipe: Recipe, figures: Figures) -> list[tuple[str, ...]]:
    """The table, a tuple of texts for each entry, under `HEADINGS`."""
    return [_line(entry, figures) for entry in recipe.entries]


def findings(recipe: Recipe, figures: Figures) -> list[tuple[str, str]]:
    """Each finding, and whether it holds here."""
    words = {True: "holds", False: "does not hold", None: "not measured"}
    return [(finding.says, words[finding.verdict(figures)]) for finding in recipe.findings]


def notes(recipe: Recipe, cells: Cells) -> list[str]:
    """What must be said with the table, a sentence each."""
    said = ["Accuracy in % on clean test images at the last epoch, mean ± spread over n seeds."]
    marks = sorted({entry.published.by for entry in recipe.entries if entry.published})
    said += [f"[{mark}]: {PROVENANCE[mark]}." for mark in marks]
    if recipe.ranked:
        said.append(RANKED)
    if recipe.cuts:
        said.append("Not as published: " + " ".join(recipe.cuts))
    machines = sorted({_machine(cell["hardware"]) for cell in cells.values()})
    said += [f"Measured on {machine}." for machine in machines]
    return said


def markdown(recipe: Recipe, figures: Figures, cells: Cells) -> str:
    """The table in Markdown, with its findings and notes."""
    table = grid(HEADINGS, lines(recipe, figures))
    found = "".join(f"- {says} **{verdict}**\n" for says, verdict in findings(recipe, figures))
    ranks = grid(*ranking(recipe, figures, cells)).rstrip() if recipe.ranked else ""
    parts = [f"## {recipe.title}", recipe.about, ranks, table.rstrip(), found.rstrip()]
    parts.append(" ".join(notes(recipe, cells)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(entry: Entry, figures: Figures) -> tuple[str, ...]:
    figure, known = figures.get((entry.row, entry.column)), entry.published
    published = f"{known.value:.1f} [{known.by}]" if known else "–"
    if figure is None:
        return entry.row, entry.column, published, "not measured", "0", "–"
    spread = f" ± {percent(figure.spread)}" if figure.spread is not None else ""
    difference = f"{100 * figure.mean - known.value:+.1f}" if known else "–"
    ours = percent(figure.mean) + spread
    return entry.row, entry.column, published, ours, str(figure.n), difference


def _machine(hardware: dict[str, Any]) -> str:
    count = hardware["threads"]
    threads = f", {count} thread{'s' * (count > 1)}" if hardware["device"] == "cpu" else ""
    return f"{hardware['name']}{threads}, {hardware['precision']}, torch {hardware['torch']}"
