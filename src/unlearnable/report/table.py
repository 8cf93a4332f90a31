"""The rows of an audit as a table: text, Markdown, CSV."""

from __future__ import annotations

from collections.abc import Sequence
from csv import DictWriter
from io import StringIO
from typing import Any

HEADINGS = (
    *("arm", "countermeasure", "model", "accuracy", "n"),
    *("learnability", "95 % interval", "recovery"),
)
COLUMNS = (
    *("arm", "countermeasure", "model", "n", "chance"),
    *("accuracy", "spread", "accuracy_low", "accuracy_high", "peak_accuracy"),
    *("learnability", "low", "high", "interval_over"),
    *("recovery", "recovery_low", "recovery_high", "survived", "epochs", "own_schedule"),
)
"""Of the CSV: a row's figures as they are, shares in 0..1."""


def lines(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The cells of the table as texts, a tuple a row, under `HEADINGS`."""
    return [
        (
            row["arm"],
            row["countermeasure"],
            row["model"],
            percent(row["accuracy"]) + (f" ± {percent(row['spread'])}" if row["spread"] else ""),
            str(row["n"]),
            _ratio(row["learnability"]),
            interval(row),
            _ratio(row.get("recovery")),
        )
        for row in rows
    ]


def notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    """What must be said below the table, a sentence each."""
    said = ["Accuracy in % on clean test images at the last epoch."]
    said += [f"Chance is {percent(value)} %." for value in sorted({row["chance"] for row in rows})]
    covers = {row["interval_over"] for row in rows if row.get("interval_over")}
    said += [f"The interval covers {what}." for what in sorted(covers)]
    if any(row.get("recovery") is not None for row in rows):
        said.append("Recovery is measured against the clean arm under the same countermeasure.")
    left = {
        row["countermeasure"]: row["survived"] for row in rows if row.get("survived") is not None
    }
    if left:
        shares = ", ".join(f"{100 * share:.0f} % after {name}" for name, share in left.items())
        said.append(f"Of the noise itself is left: {shares}.")
    own = {
        (row["arm"] if row["countermeasure"] == "none" else row["countermeasure"], row["epochs"])
        for row in rows
        if row.get("own_schedule")
    }
    said += [f"{name} has a schedule of its own: {epochs} epochs." for name, epochs in sorted(own)]
    return said


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table in Markdown, with its notes below it."""
    return f"{grid(HEADINGS, lines(rows))}\n{' '.join(notes(rows))}\n"


def grid(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown under its heads.

    Example:
        >>> print(grid(("arm", "n"), [("clean", 3)]), end="")
        | arm | n |
        | --- | --- |
        | clean | 3 |
    """
    table = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in table)


def csv(rows: Sequence[dict[str, Any]]) -> str:
    """The table as CSV, under `COLUMNS`, with nothing rounded; what is not known is empty."""
    text = StringIO()
    writer = DictWriter(text, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def percent(share: float) -> str:
    """A share in 0..1 in per cent, with one decimal and no sign.

    Example:
        >>> percent(0.1234)
        '12.3'
    """
    return f"{100 * share:.1f}"


def interval(row: dict[str, Any]) -> str:
    """From `low` to `high`, or a dash."""
    if row.get("low") is None or row.get("high") is None:
        return "–"
    return f"{row['low']:.2f} to {row['high']:.2f}"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
