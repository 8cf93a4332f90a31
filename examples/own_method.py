"""A noise method of one's own, and how to use it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from unlearnable import Budget, protect
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class Stripes:
    """Stripes for each class, of a width that no other has."""

    published: ClassVar = Budget("linf", 8)
    norms: ClassVar = ("linf",)
    form: str = setting("class-wise", "always `class-wise`")
    narrowest: int = setting(1, "width of the first class's stripes, in pixels", least=1)

    def __post_init__(self):
        check(self)

    def passes(self, count, share=1):
        """Input gradients that it takes for so many images, of which a share gets noise."""
        return 0

    def __call__(self, images, budget, *, run, out, chosen=None):
        """Float levels (classes, C, H, W) go to `out`."""
        columns = np.arange(out.shape[3])
        for label in range(len(out)):
            out[label] = np.where(columns // (self.narrowest + label) % 2, 1, -1) * budget.size
        return {}


def example(photos, protected):
    """Protect a folder with it."""
    return protect(photos, protected, method=Stripes(narrowest=2))
