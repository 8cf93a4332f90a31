"""The page of the paper's experiments, `docs/paper.md`, from the trainings in `results/paper`.

python benchmarks/paper.py
"""

from __future__ import annotations

from pathlib import Path

from unlearnable.recipes import RECIPES
from unlearnable.recipes.scale import Scale
from unlearnable.report.recipe import markdown
from unlearnable.reproducing import measured, records, written

ROOT = Path(__file__).parent.parent
RECORDS, PAGE = ROOT / "results" / "paper", ROOT / "docs" / "paper.md"
HEAD = """# The paper's experiments

Huang et al., "Unlearnable Examples: Making Personal Data Unexploitable", ICLR 2021, at quick scale:
what two processor cores can do in an hour or so a table. Each figure is that of
`unlearnable reproduce NAME`; each training has a record in
[results/paper/cells](../results/paper/cells) with its settings, seeds, hardware, versions, commit
and the hashes of its data and code. `unlearnable reproduce NAME --out results/paper --verify` runs
one of them again.

This page is made by `python benchmarks/paper.py`.
"""


OF_THE_PAPER = {name: recipe for name, recipe in RECIPES.items() if name != "benchmark"}


def main() -> None:
    for name, recipe in OF_THE_PAPER.items():
        if records(recipe(Scale()), RECORDS):
            written(recipe(Scale()), name, RECORDS)
    PAGE.write_text(text())


def text() -> str:
    """The page."""
    parts, missing = [HEAD], []
    for name, recipe in OF_THE_PAPER.items():
        made = recipe(Scale())
        cells = records(made, RECORDS)
        if cells:
            parts.append(markdown(made, measured(made, cells), cells))
            parts.append(f"![{made.title}](../results/paper/{name}.svg)\n")
        else:
            missing.append(f"`{name}`")
    if missing:
        parts.append(f"Not measured yet: {', '.join(missing)}.\n")
    return "\n".join(parts)


if __name__ == "__main__":
    main()
