"""The picture of a recipe as SVG: figures beside the published ones, or curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet
from matplotlib.figure import SubFigure

from unlearnable.experiment import Figures, Recipe
from unlearnable.report.ranking import Ranked, columns, ranked

INK, OURS, THEIRS = "#222222", "#0b62a4", "#c2570c"
STYLE: Any = {
    "svg.hashsalt": "unlearnable",  # the same figures give the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
LANE, HEAD = 0.28, 0.9  # inches of height for an entry, and for what is around them
HEAT = 0.36  # of a row of the heat map
LIGHT = 1.6  # the recovery that would be darkest: ink is readable on all that there are
SQUARE, ACROSS = 2.6, 3  # inches of a confusion matrix, and how many stand side by side
DASHES = ("-", "--", "-.", ":")


def plot(recipe: Recipe, figures: Figures, cells: Mapping[str, dict[str, Any]]) -> str:
    """The SVG, with a title and a description for those who do not see it."""
    parts = _parts(recipe, figures, cells)
    with mpl.rc_context(STYLE):
        heights = [height for height, _ in parts]
        sheet = Sheet(figsize=(8, sum(heights)), layout="constrained")
        places = sheet.subfigures(len(parts), 1, height_ratios=heights, squeeze=False)
        for place, (_, draw) in zip(places[:, 0], parts, strict=True):
            draw(place)
        text = StringIO()
        about = {"Title": recipe.title, "Description": recipe.about, "Date": None}
        sheet.savefig(text, format="svg", metadata=about)
    return text.getvalue().replace("<svg ", '<svg role="img" ', 1)


def _parts(
    recipe: Recipe, figures: Figures, cells: Mapping[str, dict[str, Any]]
) -> list[tuple[float, Callable[[SubFigure], None]]]:
    """What stands below each other: the height of each in inches, and what draws it."""
    parts: list[tuple[float, Callable[[SubFigure], None]]] = []
    if recipe.ranked:
        found = ranked(recipe, figures, cells)
        height = HEAD + HEAT * max(1, len(found))
        parts.append((height, lambda sheet: _heat(sheet.subplots(), found, columns(recipe))))
    elif recipe.curves:
        parts.append((4.2, lambda sheet: _curves(sheet.subplots(), recipe, cells)))
    else:
        height = HEAD + LANE * len(recipe.entries)
        parts.append((height, lambda sheet: _lanes(sheet.subplots(), recipe, figures)))
    matrices = _matrices(recipe, cells) if recipe.confusions else {}
    if matrices:
        height = SQUARE * -(-len(matrices) // ACROSS)
        parts.append((height, lambda sheet: _confusions(sheet, matrices)))
    rocs = _rocs(recipe, cells)
    if rocs:
        parts.append((4.2, lambda sheet: _verified(sheet.subplots(), rocs)))
    return parts


def _rocs(recipe: Recipe, cells: Mapping[str, dict[str, Any]]) -> dict[str, list[float]]:
    """The ROC curve of the first seed of each row that is about verification."""
    return {
        entry.row: cells[entry.trials[0].id][entry.measure]["rates"]
        for entry in recipe.entries
        if entry.measure != "accuracy" and entry.trials[0].id in cells
    }


def _verified(axes: Axes, rocs: Mapping[str, list[float]]) -> None:
    """The ROC curves, and the diagonal of chance."""
    for row, rates in rocs.items():
        axes.plot(range(101), [100 * rate for rate in rates], label=row)
    axes.plot([0, 100], [0, 100], color=INK, lw=0.8, ls=":", label="chance")
    axes.set(xlabel="false positives, %", ylabel="true positives, %", ylim=(0, 101))
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def _matrices(recipe: Recipe, cells: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The cells of each row's first seed, by row."""
    first = {entry.row: cells.get(entry.trials[0].id) for entry in recipe.entries}
    return {row: cell for row, cell in first.items() if cell is not None}


def _confusions(sheet: SubFigure, matrices: Mapping[str, dict[str, Any]]) -> None:
    """A square for each row: true classes downward, predicted ones across."""
    grid = sheet.subplots(-(-len(matrices) // ACROSS), ACROSS, squeeze=False).ravel()
    for axes in grid[len(matrices) :]:
        axes.set_axis_off()
    for axes, (row, cell) in zip(grid, matrices.items(), strict=False):
        counts = np.array(cell["confusion"], dtype=float)
        shares = counts / counts.sum(1, keepdims=True)
        axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1)  # not imshow: a page shows no bitmap
        axes.set_title(row, fontsize=8)
        axes.set(aspect="equal", ylim=(len(counts), 0))
        middles = np.arange(len(counts)) + 0.5
        axes.set_yticks(middles, cell["classes"], fontsize=5)
        axes.set_xticks(middles, cell["classes"], fontsize=5, rotation=90)


def _heat(axes: Axes, found: Sequence[Ranked], names: Sequence[str]) -> None:
    """A square for each noise and countermeasure, the darker the more of it is undone."""
    shares = np.array([[one.recoveries.get(name, np.nan) for name in names] for one in found])
    if len(found):
        axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=LIGHT, edgecolor="white", linewidth=2)
    for place, one in enumerate(found):
        for column, name in enumerate(names):
            if name in one.recoveries:
                text = f"{100 * one.accuracies[name]:.0f}"
                axes.text(column + 0.5, place + 0.5, text, ha="center", va="center")
    axes.set_xticks(np.arange(len(names)) + 0.5, names)
    axes.set_yticks(np.arange(len(found)) + 0.5, [one.row for one in found])
    axes.set_ylim(len(found), 0)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("clean test accuracy, %; the darker, the more of it is recovered")


def _lanes(axes: Axes, recipe: Recipe, figures: Figures) -> None:
    """A lane for each entry: a ring where the published figure is, a dot where ours is."""
    for place, entry in enumerate(recipe.entries):
        figure = figures.get((entry.row, entry.column))
        if entry.published:
            axes.plot(
                entry.published.value, place, "o", mfc="none", mec=THEIRS, ms=8, clip_on=False
            )
        if figure:
            spread = 100 * figure.spread if figure.spread else None
            axes.errorbar(
                100 * figure.mean, place, xerr=spread, fmt="o", color=OURS, ms=5, clip_on=False
            )
    labels = [f"{entry.row} · {entry.column}" for entry in recipe.entries]
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlim=(0, 100), xlabel="clean test accuracy, %")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.plot([], [], "o", color=OURS, ms=5, label="ours")
    axes.plot([], [], "o", mfc="none", mec=THEIRS, ms=8, linestyle="none", label="published")
    for chance in {figure.chance for figure in figures.values()}:
        axes.axvline(100 * chance, color=INK, lw=0.8, ls=":", label="chance")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)


def _curves(axes: Axes, recipe: Recipe, cells: Mapping[str, dict[str, Any]]) -> None:
    """The accuracy of each entry's first seed after every epoch."""
    rows = list(dict.fromkeys(entry.row for entry in recipe.entries))
    columns = list(dict.fromkeys(entry.column for entry in recipe.entries))
    for entry in recipe.entries:
        cell = cells.get(entry.trials[0].id)
        if cell is not None:
            values = [100 * point["accuracy"] for point in cell["curve"]]
            label = entry.row if entry.row == entry.column else f"{entry.row}, {entry.column}"
            axes.plot(
                range(1, len(values) + 1),
                values,
                color=f"C{rows.index(entry.row)}",
                linestyle=DASHES[columns.index(entry.column) % len(DASHES)],
                label=label,
            )
    axes.set(ylim=(0, 100), xlabel="epoch", ylabel="clean test accuracy, %")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
