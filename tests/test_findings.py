"""What the paper found, in the trainings that are on record."""

from pathlib import Path

import pytest

from unlearnable.recipes import RECIPES
from unlearnable.recipes.scale import Scale
from unlearnable.reproducing import measured, records

RECORDS = Path(__file__).parent.parent / "results" / "paper"
FINDINGS = [
    pytest.param(name, place, id=f"{name}: {finding.says}")
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
