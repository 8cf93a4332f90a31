from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unlearnable.errors import DamagedError
from unlearnable.report.page import write_report
from unlearnable.report.table import csv, markdown

HOSTILE = "<img src=x onerror=alert(1)>"
UNDECIDED = {
    **{"decided": False, "words": ["No verdict: the clean arm learnt nothing."]},
    **dict.fromkeys(("learnability", "low", "high", "countermeasure", "model")),
}


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_names_are_text_wherever_they_stand(
    make_run: Callable[..., Path], make_samples: Callable[..., dict[str, Any]]
) -> None:
    classes = [HOSTILE + str(k) for k in range(10)]
    verdict = UNDECIDED | {"words": [HOSTILE]}
    run = make_run(
        protected=HOSTILE, clean=HOSTILE, test=HOSTILE, classes=classes, verdict=verdict,
        doubts=[{"about": HOSTILE, "sentence": HOSTILE, "fatal": True}],
    )  # fmt: skip
    held = make_samples() | {"names": np.array(["</figcaption><script>", '" onload="x'] * 3)}
    np.savez(run / "samples.npz", **held)
    page = Page(write_report(run))
    assert page.text.count(HOSTILE) > 50
    assert page.of("script") == []
    assert all((image["src"] or "").startswith("data:image/png;") for image in page.of("img"))
    assert not {name for _, found in page.elements for name in found if name.startswith("on")}


def test_it_needs_nothing_beside_it(make_run: Callable[..., Path]) -> None:
    file = write_report(make_run())
    page = Page(file)
    policy = page.of("meta")[1]["content"] or ""
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    links = {found.get(name) for _, found in page.elements for name in ("href", "src")}
    assert {link[:5] for link in links if link} == {"#cave", "data:"}
    assert "url(" not in file.read_text() and "@import" not in file.read_text()


def test_who_does_not_see_it_is_told_all_the_same(make_run: Callable[..., Path]) -> None:
    page = Page(write_report(make_run()))
    drawings = [found for found in page.of("svg") if "viewbox" not in found and "x" not in found]
    assert len(drawings) > 15
    assert all("role" in found or "aria-hidden" in found for found in drawings)
    named = sum("role" in found for found in drawings)
    assert len(page.of("desc")) == named == len(page.of("title")) - 1
    assert all(image["alt"] for image in page.of("img"))
    assert all("scope" in header for header in page.of("th"))


def test_the_private_page_says_so_first_and_is_its_owners_alone(
    make_run: Callable[..., Path],
) -> None:
    file = write_report(make_run())
    body = file.read_text().partition("<main>")[2]
    assert 0 < body.index("Private: do not publish this page") < body.index("<h1>")
    assert file.stat().st_mode & 0o077 == 0


def test_without_a_verdict_it_says_why_and_shows_no_number(make_run: Callable[..., Path]) -> None:
    doubt = {"about": "clean arm", "sentence": "It is at chance.", "fatal": True}
    text = write_report(make_run(verdict=UNDECIDED, doubts=[doubt])).read_text()
    assert "<h1>No verdict: the clean arm learnt nothing.</h1>" in text
    assert "No verdict:</strong> It is at chance." in text
    assert 'class="value"' not in text and 'class="worst"' not in text


def test_large_images_and_many_classes_stay_under_three_megabytes(
    make_run: Callable[..., Path], make_samples: Callable[..., dict[str, Any]]
) -> None:
    run = make_run(classes=[f"class number {k}" for k in range(100)])
    np.savez(run / "samples.npz", **make_samples(12, (300, 400)))
    assert write_report(run).stat().st_size < 3e6


def test_it_goes_without_samples_a_manifest_and_cells_that_are_not_finished(
    make_run: Callable[..., Path],
) -> None:
    run = make_run(method=None)
    (run / "samples.npz").unlink()
    next((run / "cells").iterdir()).unlink()
    text = write_report(run).read_text()
    assert "1 of the trainings is not in this report" in text
    assert "not known: there is no manifest" in text and "<img" not in text


def test_the_tables_lie_beside_it(make_run: Callable[..., Path]) -> None:
    run = make_run()
    write_report(run)
    rows = json.loads((run / "audit.json").read_text())["rows"]
    assert (run / "table.md").read_text() == markdown(rows)
    assert (run / "table.csv").read_text() == csv(rows)


def test_a_folder_that_is_no_audit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="is missing"):
        write_report(tmp_path)
    (tmp_path / "audit.json").write_text('{"rows": []}')
    with pytest.raises(DamagedError, match="is not an audit of this library"):
        write_report(tmp_path)


def test_it_is_rebuilt_without_torch(make_run: Callable[..., Path]) -> None:
    code = "import sys; from unlearnable.report.page import write_report as w; w(sys.argv[1]); "
    code += "assert not sys.modules.keys() & {'torch', 'matplotlib'}"
    subprocess.run([sys.executable, "-c", code, make_run()], check=True)


def test_every_class_has_a_row_in_the_confusion_matrices(make_run: Callable[..., Path]) -> None:
    run = make_run()
    classes = json.loads((run / "audit.json").read_text())["classes"]
    text = write_report(run).read_text()
    matrices = text.split('<details class="matrix">')[1:]
    assert len(matrices) == 4
    for matrix in matrices:
        assert all(f'<th scope="row"><bdi>{name}</bdi></th>' in matrix for name in classes)
