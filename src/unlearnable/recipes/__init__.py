"""The tables and figures of Huang et al., ICLR 2021: one file each, and this table.

A recipe says what is trained on what and what the paper found; how that is done, the library says.
"""

from __future__ import annotations

from collections.abc import Callable

from unlearnable.experiment import Recipe, Scale
from unlearnable.recipes.adversarial import adversarial
from unlearnable.recipes.as_released import as_released
from unlearnable.recipes.figure1 import figure1
from unlearnable.recipes.stability import stability
from unlearnable.recipes.table1 import table1
from unlearnable.recipes.table2 import table2
from unlearnable.recipes.table3 import table3

RECIPES: dict[str, Callable[[Scale], Recipe]] = {
    "figure1": figure1,
    "table1": table1,
    "table2": table2,
    "table3": table3,
    "adversarial": adversarial,
    "stability": stability,
    "as_released": as_released,
}
