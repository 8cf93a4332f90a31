"""The page of the noise methods, `docs/methods.md`: from their table, and the bench's records.

python benchmarks/methods.py
"""

from __future__ import annotations

from paper import RECORDS, ROOT

from unlearnable.methods import METHODS
from unlearnable.methods.about import About, about
from unlearnable.recipes import RECIPES
from unlearnable.recipes.scale import Scale
from unlearnable.report.recipe import markdown
from unlearnable.report.table import grid
from unlearnable.reproducing import measured, records, written
from unlearnable.settings import meanings

PAGE = ROOT / "docs" / "methods.md"
EXAMPLE = ROOT / "examples" / "own_method.py"
HEAD = """# Noise methods

`unlearnable protect SOURCE OUT --method NAME` makes any of these; `--form`, `--norm` and
`--epsilon` are as published unless you say otherwise, and `--set KEY=VALUE` sets whatever is listed
below. Budgets are in levels of 255, those of L0 in pixels. Where a method has `preset=quick` and
`preset=paper`, the quick settings are what two cores can do with 10,000 small images, and what they
leave out is said under its cost.

This page is made by `python benchmarks/methods.py`.
"""
SEVERAL = """## Several at once

`--method ops+em` finds one-pixel shortcuts and error-minimizing noise each for itself and adds them
up: what undoes one of them may leave the other (Wu et al., ICLR 2023). Each part keeps its own
budget, and the manifest says so; the whole has no norm. `--set em.steps=3` is a setting of one
part, `--set em.epsilon=4` its budget, and a setting without a name, such as `--form class-wise`, is
for all parts that have it.
"""
OWN = """## A method of your own

A method is a frozen dataclass: its fields are its settings, `published` and `norms` say what budget
it is meant for, and calling it writes float levels, which need not keep the budget. Whether what it
does holds is for `unlearnable audit` to say. To have it in the command line, the lists, this page
and the contract tests, put it in a file in `src/unlearnable/methods/` and add a line to the table
in `__init__.py` there.

```python
{example}
```
"""


def main() -> None:
    recipe = RECIPES["benchmark"](Scale())
    if records(recipe, RECORDS):
        written(recipe, "benchmark", RECORDS)
    PAGE.write_text(text())


def text() -> str:
    """The page."""
    known = {name: about(cls) for name, cls in METHODS.items()}
    rows = [(f"[`{name}`](#{name})", *_row(one)) for name, one in known.items()]
    heads = ("name", "form", "budget", "norms", "surrogate", "source")
    table = grid(heads, rows)
    own = OWN.format(example=EXAMPLE.read_text().strip())
    parts = [HEAD, table, SEVERAL, own, _bench(), "## Settings", *map(_section, METHODS)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _row(one: About) -> tuple[str, ...]:
    forms = " or ".join(one.forms)
    return (
        forms,
        one.published.words,
        ", ".join(one.norms),
        "yes" if one.surrogate else "no",
        one.source,
    )


def _section(name: str) -> str:
    """A method: what it is, what it costs, and its settings."""
    one = about(METHODS[name])
    settings = grid(("setting", "default", "meaning"), _settings(name))
    return f"### {name}\n\n{one.title}\n\nCost: {one.cost}\n\n{settings}"


def _settings(name: str) -> list[tuple[str, str, str]]:
    return [
        (f"`{key}`", f"`{default}`" if default != "" else "–", meaning)
        for key, meaning, default in meanings(METHODS[name])
    ]


def _bench() -> str:
    """The ranking of the bench, from its records."""
    recipe = RECIPES["benchmark"](Scale())
    cells = records(recipe, RECORDS)
    picture = f"![{recipe.title}](../results/paper/benchmark.svg)"
    return markdown(recipe, measured(recipe, cells), cells) + "\n" + picture


if __name__ == "__main__":
    main()
