"""How large the experiments of a recipe are: a recipe is a function from a scale to a `Recipe`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from unlearnable.experiment import Data
from unlearnable.schedules import SCHEDULES, Schedule

SCALES = ("quick", "paper")
QUICK_MODELS = {
    "vgg11": "vgg11:16",
    "resnet18": "resnet18:16",
    "resnet50": "resnet50:8",
    "densenet121": "densenet121:8",
}
"""A quarter of the published widths, or less, for two cores."""


@dataclass(frozen=True)
class Scale:
    """How large an experiment is: as published, or small enough for two cores."""

    name: Literal["quick", "paper"] = "quick"

    @property
    def quick(self) -> bool:
        """Whether it is the small one."""
        return self.name == "quick"

    def data(self, name: str, per_class: int = 1000) -> Data:
        """A data set, at quick scale the first so many images of each class."""
        return Data(name, per_class if self.quick else None)

    def model(self, name: str) -> str:
        """A model of the paper, at quick scale a narrow one."""
        return QUICK_MODELS[name] if self.quick else name

    def schedule(self, name: str, **changed: Any) -> Schedule:
        """The paper's protocol for a data set; at quick scale ours, whatever the data."""
        return replace(SCHEDULES["quick" if self.quick else f"paper:{name}"], **changed)

    @property
    def surrogate(self) -> dict[str, object]:
        """The setting of a noise: as published, or at quick scale the usual one."""
        return {} if self.quick else {"surrogate": "resnet18"}

    @property
    def search(self) -> dict[str, object]:
        """The settings of error-minimizing noise: the published search, or ours."""
        return {**self.surrogate, **({} if self.quick else {"preset": "paper"})}

    def cuts(self, *further: str, per_class: int | None = 1000) -> tuple[str, ...]:
        """What is smaller than published, a sentence each; nothing at the paper's scale."""
        if not self.quick:
            return ()
        if per_class is None:
            return further
        return (f"{per_class:,} images a class, ResNet-18 a quarter as wide, 15 epochs.", *further)

    def seeds(self, count: int = 3) -> tuple[int, ...]:
        """For the figures that a finding rests on."""
        return tuple(range(count))
