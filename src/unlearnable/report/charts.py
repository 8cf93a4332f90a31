"""The charts of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from unlearnable.report.svg import Axis, Drawing

LANE = 20  # pixels a mark
PLOT = 70  # of a curve's width, in per cent; the names stand in the rest
TALL, LOW = 150, 70  # pixels of a curve of accuracy, and of loss
SHADES = 10  # of a heat map


@dataclass(frozen=True)
class Mark:
    """A figure of one arm: its name, the number of its style, and its interval if it has one."""

    label: str
    style: int
    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def ends(self) -> list[float]:
        """What must have room on an axis."""
        return [end for end in (self.low, self.value, self.high) if end is not None]

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.label}: not known"
        if self.low is None or self.high is None:
            return f"{self.label} {self.value:.2f}"
        return f"{self.label} {self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Curve:
    """What one arm did: the mean after each epoch, each training, and the epoch that counts."""

    label: str
    style: int
    values: Sequence[float]
    runs: Sequence[Sequence[float]] = ()
    counts: float | None = None


def axis_over(marks: Iterable[Mark]) -> Axis:
    """An axis of learnability with room for every mark from −0.5 to 1.5."""
    ends = [end for mark in marks for end in mark.ends]
    return Axis(max(-0.5, min([0.0, *ends])) - 0.04, min(1.5, max([1.0, *ends])) + 0.04)


def verdict_bar(mark: Mark) -> Markup:
    """Learnability from 0 to 1 as a bar, with its interval."""
    axis = Axis(min([0.0, *mark.ends]), max([1.0, *mark.ends]))
    zero, one, value = axis.at(0), axis.at(1), axis.at(mark.value or 0)
    title = "Learnability on a scale from 0, nothing learnt, to 1, no protection"
    drawing = Drawing(title, str(mark), 62)
    drawing.root.set("style", f"--share: {min(max(mark.value or 0, 0), 1):.2f}")
    drawing.bar("track", zero, one, 14, 18)
    drawing.bar("filled", min(zero, value), max(zero, value), 14, 18)
    if mark.low is not None and mark.high is not None:
        drawing.level("whisker", axis.at(mark.low), axis.at(mark.high), 23)
    drawing.upright("needle", value, 8, 38)
    drawing.text("0 nothing learnt", zero, 55)
    drawing.text("1 no protection", one, 55, end=True)
    return drawing.markup()


def dots(title: str, marks: Sequence[Mark], axis: Axis) -> Markup:
    """Learnability of every arm under one countermeasure, a lane each."""
    drawing = Drawing(title, "; ".join(map(str, marks)), LANE * len(marks))
    drawing.grid(axis, LANE * len(marks))
    for place, mark in enumerate(marks):
        middle = LANE * place + LANE // 2
        if mark.value is None:
            drawing.text(str(mark), axis.at(0), middle + 4, dx=6)
            continue
        _interval(drawing, axis, mark, middle)
        drawing.shape(mark.style, axis.at(mark.value), middle)
        words, left, right = (
            f"{mark.label} {mark.value:.2f}",
            axis.at(min(mark.ends)),
            axis.at(max(mark.ends)),
        )
        on_the_left = right > 55
        x, dx = (left, -11) if on_the_left else (right, 11)
        drawing.text(words, x, middle + 4, dx=dx, end=on_the_left)
    return drawing.markup()


def bars(title: str, marks: Sequence[Mark], chance: float) -> Markup:
    """Accuracy as bars, with a dashed line where chance is."""
    words = [f"{mark.label} {100 * (mark.value or 0):.1f} %" for mark in marks]
    height, axis = LANE * len(marks), Axis()
    drawing = Drawing(title, f"{'; '.join(words)}; chance {100 * chance:.1f} %", height)
    drawing.grid(axis, height)
    for place, (mark, text) in enumerate(zip(marks, words, strict=True)):
        top, end = LANE * place, axis.at(mark.value or 0)
        drawing.bar(f"arm arm-{mark.style}", 0, end, top + 3, LANE - 6)
        inside = end > 60
        style, dx = ("inside", -6) if inside else ("", 6)
        drawing.text(text, end, top + 14, style, dx=dx, end=inside)
    drawing.upright("halo", axis.at(chance), 0, height)
    drawing.upright("chance", axis.at(chance), 0, height)
    return drawing.markup()


def scale(axis: Axis, *, percent: bool = False) -> Markup:
    """The labels of an axis; for eyes only, as every chart says its figures itself."""
    drawing = Drawing("", "", 18)
    for tick in axis.ticks:
        drawing.text(_figure(tick, percent), axis.at(tick), 13, "tick")
    return drawing.markup()


def curves(title: str, lines: Sequence[Curve], top: float, *, percent: bool = False) -> Markup:
    """A line for each arm, epoch by epoch, from 0 to `top`; its name stands at its end."""
    height = TALL if percent else LOW
    axis = Axis(0, top, (0, top / 2, top) if percent else (0, top))
    ends = [f"{line.label} {_figure(line.values[-1], percent)}" for line in lines]
    drawing = Drawing(title, f"After the last epoch: {'; '.join(ends)}", height + 22)
    for tick in axis.ticks:
        drawing.level("grid", 0, PLOT, _down(axis, tick, height))
        drawing.text(_figure(tick, percent), 0, _down(axis, tick, height) - 3, "tick")
    longest = max(len(run) for line in lines for run in (line.values, *line.runs))
    drawing.text("epoch 1", 0, height + 16, "tick")
    drawing.text(str(longest), PLOT, height + 16, "tick", end=True)
    paths = [
        (f"{style} line-{line.style}", _path(values, axis, longest))
        for line in lines
        for style, values in [*(("run", run) for run in line.runs), ("mean", line.values)]
    ]
    drawing.paths(PLOT, 12, height - 12, paths)
    _name_ends(drawing, lines, axis, height, longest)
    return drawing.markup()


def heat(title: str, shares: NDArray[np.float64]) -> Markup:
    """A matrix of shares (K, K) as squares of ten shades."""
    right = f"{100 * float(np.diag(shares).mean()):.1f} % lie on the diagonal"
    words = f"A row for each true class, a column for each predicted one: {right}"
    drawing = Drawing(title, words, None)
    drawing.root.attrib |= {"viewBox": f"0 0 {len(shares)} {len(shares)}", "class": "heat"}
    steps = np.ceil(shares * SHADES).astype(int)
    for step in range(1, SHADES + 1):
        squares = "".join(f"M{x} {y}h1v1h-1z" for y, x in np.argwhere(steps == step))
        if squares:
            drawing.add("path", d=squares, opacity=step / SHADES)
    return drawing.markup()


def _interval(drawing: Drawing, axis: Axis, mark: Mark, y: int) -> None:
    if mark.low is not None and mark.high is not None:
        style = f"interval line-{mark.style}"
        drawing.level(style, axis.at(mark.low), axis.at(mark.high), y)


def _name_ends(
    drawing: Drawing, lines: Sequence[Curve], axis: Axis, height: int, longest: int
) -> None:
    """Write each line's name at its end, none over another, and mark the epoch that counts."""
    lines = sorted(lines, key=lambda line: -line.values[-1])
    heights = apart([_down(axis, line.values[-1], height) + 4 for line in lines], height + 18)
    for y, line in zip(heights, lines, strict=True):
        drawing.text(line.label, PLOT, y, f"name name-{line.style}", dx=10)
        if line.counts is not None:
            place = min(round(line.counts), len(line.values)) - 1
            x = PLOT * place / max(1, longest - 1)
            drawing.shape(line.style, x, _down(axis, line.values[place], height))


def apart(heights: Sequence[float], lowest: float) -> list[float]:
    """Heights from the top, in order, moved so that there is a line's room between them.

    Example:
        >>> apart([10, 12, 99], lowest=100)
        [10, 23, 99]
    """
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + 13) if placed else height)
    room = [lowest - 13 * below for below in reversed(range(len(placed)))]
    return [min(pair) for pair in zip(placed, room, strict=True)]


def _down(axis: Axis, value: float, height: int) -> float:
    """How far below the top a value lies, in pixels."""
    return round(12 + (height - 12) * (1 - axis.at(value) / 100), 1)


def _path(values: Sequence[float], axis: Axis, longest: int) -> str:
    step = 100 / max(1, longest - 1)
    points = (f"{step * x:.1f} {100 - axis.at(y):.1f}" for x, y in enumerate(values))
    return f"M{'L'.join(points)}"


def _figure(value: float, percent: bool) -> str:
    return f"{100 * value:.0f} %" if percent else f"{value:.2g}"
