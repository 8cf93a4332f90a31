"""What the paper found, in the trainings that are on record."""

from pathlib import Path

import pytest

from unlearnable.recipes import RECIPES
from unlearnable.recipes.scale import Scale
from unlearnable.reproducing import measured, records

RECORDS = Path(__file__).parent.parent / "results" / "paper"
UNMET = {
    ("classes", 1): "beside four protected classes the six others lose 4.1 points with "
    "sample-wise noise and 3.4 with class-wise, three seeds each",
    (
        "benchmark",
        0,
    ): "LSP leaves 25.3 % after 15 epochs and 21.8 % after 30, three seeds each: what "
    "the tiles of a class have in common is learnt late",
    (
        "benchmark",
        7,
    ): "REM leaves 27.5 %, three seeds, and 26.9 % with twice the batches, after 15 epochs of "
    "training and after 30: it is held back by the attacks that it is to withstand, as SEM, the "
    "same without them, leaves 18.6 %; of REM as published, another benchmark has 25.4 %",
    ("benchmark", 12): "with 500 images a class, 15 epochs and no adversarial training one-pixel "
    "shortcuts leave 29.8 of 57.5 %: models learn the pictures before the pixel",
    ("faces", 0): "the few faces are told apart by their pixels alone: AUC 0.97; ten searches "
    "with other settings left 40 to 100 % recognised",
}
"""Findings that do not hold at this scale, and what was found of it; one that comes to hold must
leave this list."""
FINDINGS = [
    pytest.param(
        name,
        place,
        id=f"{name}: {finding.says}",
        marks=[pytest.mark.xfail(reason=UNMET[name, place], strict=True)]
        if (name, place) in UNMET
        else [],
    )
    for name, recipe in RECIPES.items()
    for place, finding in enumerate(recipe(Scale()).findings)
]


@pytest.mark.parametrize(("name", "place"), FINDINGS)
def test_a_finding_of_the_paper_holds_on_record(name, place):
    recipe = RECIPES[name](Scale())
    verdict = recipe.findings[place].verdict(measured(recipe, records(recipe, RECORDS)))
    if verdict is None:
        pytest.skip("not measured yet")
    assert verdict


REACHED = {
    "tap": lambda noise: noise["taken"] >= 0.9,
    "aap": lambda noise: noise["loss"][1] <= noise["loss"][0] / 2,
    "hypo": lambda noise: noise["loss"][1] <= noise["loss"][0] / 2,
    "aue": lambda noise: noise["errors"][-1] <= noise["errors"][0] / 2,
    "sem": lambda noise: noise["losses"][-1] <= noise["losses"][0] / 2,
    "rem": lambda noise: noise["losses"][-1] <= noise["losses"][0] / 2,
}
"""What each search against a surrogate is after, and whether its record says that it got there."""


@pytest.mark.parametrize("name", REACHED)
def test_a_noise_of_the_bench_has_reached_its_own_objective(name):
    cells = records(RECIPES["benchmark"](Scale()), RECORDS).values()
    found = [c["noise"] for c in cells if (c["trial"]["noise"] or {}).get("method") == name]
    if not found:
        pytest.skip("not measured yet")
    assert all(REACHED[name](noise) for noise in found)
