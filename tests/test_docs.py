import re
import sys
from pathlib import Path

import numpy as np

from unlearnable.data.shapes import shapes

ROOT = Path(__file__).parent.parent


def test_every_table_of_the_readme_is_that_of_its_results():
    text = (ROOT / "README.md").read_text()
    tables = re.findall(r"<!-- table: (\S+) -->\n(.*?)<!-- /table -->", text, re.DOTALL)
    assert tables
    for path, table in tables:
        assert table.strip() == (ROOT / path).read_text().strip()


def test_every_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\(((?!https?:)[^)#]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_page_of_the_benchmarks_is_that_of_its_records(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "page", raising=False)
    import page

    found = page.records()
    assert found
    assert (ROOT / "docs" / "benchmarks.md").read_text() == page.text(found)


def test_the_page_of_the_paper_is_that_of_its_records(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import paper

    assert (ROOT / "docs" / "paper.md").read_text() == paper.text()


def test_the_page_of_the_methods_is_that_of_their_table_and_records(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import methods

    assert (ROOT / "docs" / "methods.md").read_text() == methods.text()


def test_the_method_that_the_docs_add_is_short_and_protects(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    import own_method

    text = (ROOT / "docs" / "methods.md").read_text()
    shown = Path(own_method.__file__).read_text()
    assert shown.strip() in text
    assert len([line for line in shown.splitlines() if line.strip()]) <= 30
    done = own_method.example(shapes(20), tmp_path / "out")
    assert done.manifest["largest_change"] == 8
    assert done.manifest["settings"]["method"] == "Stripes"
    assert len({row.tobytes() for row in np.asarray(done.noise.values)}) == 10
