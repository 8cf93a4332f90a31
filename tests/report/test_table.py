from __future__ import annotations

import csv as standard
from io import StringIO
from typing import Any

from unlearnable.report.table import COLUMNS, HEADINGS, csv, lines, markdown

CLEAN: dict[str, Any] = {
    "arm": "clean",
    "countermeasure": "none",
    "model": "resnet18:16",
    "accuracy": 0.9123,
    "spread": 0.0049,
    "n": 3,
    "chance": 0.1,
    "learnability": 1.0,
    "low": 1.0,
    "high": 1.0,
    "interval_over": "seeds and test images",
}
PROTECTED = {**CLEAN, "arm": "protected", "accuracy": 0.2, "spread": None, "n": 1} | {
    "learnability": 0.1234,
    "low": -0.051,
    "high": 0.305,
    "interval_over": "test images only: one seed",
}
GRAY = {
    **PROTECTED,
    "countermeasure": "gray",
    "recovery": 0.4217,
    "own_schedule": True,
    "epochs": 30,
}
ALONE = {**PROTECTED, "learnability": None, "low": None, "high": None, "interval_over": None}


def test_a_row_says_accuracy_in_percent_and_learnability_with_its_interval() -> None:
    assert lines([CLEAN, PROTECTED]) == [
        ("clean", "none", "resnet18:16", "91.2 ± 0.5", "3", "1.00", "1.00 to 1.00", "–"),
        ("protected", "none", "resnet18:16", "20.0", "1", "0.12", "-0.05 to 0.30", "–"),
    ]
    assert lines([GRAY])[0][-1] == "0.42"


def test_what_could_not_be_measured_is_a_dash() -> None:
    assert lines([ALONE])[0][-3:] == ("–", "–", "–")
    without = {key: value for key, value in ALONE.items() if key not in ("low", "high")}
    assert lines([without]) == lines([ALONE])


def test_markdown_has_a_cell_for_every_heading_in_every_row() -> None:
    table = markdown([CLEAN, PROTECTED]).split("\n\n")[0].splitlines()
    assert len(table) == 4
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert cells[0] == list(HEADINGS)
    assert set(cells[1]) == {"---"}
    assert [tuple(row) for row in cells[2:]] == lines([CLEAN, PROTECTED])


def test_markdown_says_what_chance_is_and_what_the_interval_covers() -> None:
    text = markdown([CLEAN, PROTECTED, ALONE])
    assert text.count("Chance is 10.0 %.") == 1
    assert "The interval covers seeds and test images." in text
    assert "The interval covers test images only: one seed." in text
    assert text.endswith("\n")


def test_markdown_is_silent_about_an_interval_that_there_is_not() -> None:
    assert "The interval covers" not in markdown([ALONE])


def test_markdown_says_what_recovery_is_and_who_has_another_schedule() -> None:
    part = {**CLEAN, "arm": "part:0.2", "own_schedule": True, "epochs": 19}
    text = markdown([CLEAN, GRAY, part])
    assert "Recovery is measured against the clean arm under the same countermeasure." in text
    assert "gray has a schedule of its own: 30 epochs." in text
    assert "part:0.2 has a schedule of its own: 19 epochs." in text
    assert "Recovery" not in markdown([CLEAN]) and "schedule" not in markdown([CLEAN])


def test_csv_has_every_figure_unrounded_and_nothing_where_none_is_known() -> None:
    first, second = standard.DictReader(StringIO(csv([GRAY, ALONE])))
    assert tuple(first) == COLUMNS
    assert (first["countermeasure"], first["recovery"], first["n"]) == ("gray", "0.4217", "1")
    assert float(first["learnability"]) == 0.1234
    assert (second["learnability"], second["low"], second["recovery"]) == ("", "", "")
