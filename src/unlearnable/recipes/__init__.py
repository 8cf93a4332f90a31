"""The tables and figures of Huang et al., ICLR 2021, and the bench: one file each, and this table.

A recipe says what is trained on what and what the paper found; how that is done, the library says.
"""

from __future__ import annotations

from collections.abc import Callable

from unlearnable.experiment import Recipe
from unlearnable.recipes.adversarial import adversarial
from unlearnable.recipes.as_released import as_released
from unlearnable.recipes.benchmark import benchmark
from unlearnable.recipes.classes import classes
from unlearnable.recipes.faces import faces
from unlearnable.recipes.figure1 import figure1
from unlearnable.recipes.patches import patches
from unlearnable.recipes.scale import Scale
from unlearnable.recipes.stability import stability
from unlearnable.recipes.table1 import table1
from unlearnable.recipes.table2 import table2
from unlearnable.recipes.table3 import table3
from unlearnable.recipes.transfer import transfer

RECIPES: dict[str, Callable[[Scale], Recipe]] = {
    "figure1": figure1,
    "table1": table1,
    "table2": table2,
    "classes": classes,
    "transfer": transfer,
    "table3": table3,
    "adversarial": adversarial,
    "patches": patches,
    "faces": faces,
    "stability": stability,
    "as_released": as_released,
    "benchmark": benchmark,
}
