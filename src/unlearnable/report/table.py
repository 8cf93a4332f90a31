"""The rows of an audit as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEADINGS = ("arm", "model", "accuracy", "n", "learnability", "95 % interval")


def lines(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The cells of the table as texts, a tuple a row, under `HEADINGS`."""
    return [
        (
            row["arm"],
            row["model"],
            _percent(row["accuracy"]) + (f" ± {_percent(row['spread'])}" if row["spread"] else ""),
            str(row["n"]),
            "–" if row["learnability"] is None else f"{row['learnability']:.2f}",
            _interval(row),
        )
        for row in rows
    ]


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table in Markdown, with what its interval covers below it."""
    table = [HEADINGS, tuple("---" for _ in HEADINGS), *lines(rows)]
    text = "".join(f"| {' | '.join(row)} |\n" for row in table)
    notes = {row["interval_over"] for row in rows if row.get("interval_over")}
    chance = {row["chance"] for row in rows}
    words = [f"Chance is {_percent(value)} %." for value in sorted(chance)]
    words += [f"The interval covers {note}." for note in sorted(notes)]
    return f"{text}\nAccuracy in % on clean test images at the last epoch. {' '.join(words)}\n"


def _interval(row: dict[str, Any]) -> str:
    if row.get("low") is None or row.get("high") is None:
        return "–"
    return f"{row['low']:.2f} to {row['high']:.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
