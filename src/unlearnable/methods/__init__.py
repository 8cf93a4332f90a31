"""The noise methods: one file each, and this table.

A new method is a frozen dataclass in a file of its own, and one line here; the command line, the
docs and the contract tests find it through the table.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import unknown
from unlearnable.methods.ar import Autoregressive
from unlearnable.methods.as_released import AsReleased
from unlearnable.methods.cuda import ClassFilters
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.methods.error_maximizing import ErrorMaximizing
from unlearnable.methods.lsp import SeparablePatches
from unlearnable.methods.ops import OnePixel
from unlearnable.methods.patches import RandomPatches
from unlearnable.methods.random import RandomNoise
from unlearnable.methods.transferred import Transferred
from unlearnable.noise import Budget, Form, Norm
from unlearnable.runtime import Run
from unlearnable.settings import parse


class Method(Protocol):
    """A way to find noise. Its fields are its settings; the budget is none of them."""

    __dataclass_fields__: ClassVar[dict[str, Any]]  # it is a dataclass
    published: ClassVar[Budget]
    norms: ClassVar[tuple[Norm, ...]]
    source: ClassVar[str]

    @property
    def form(self) -> Form:
        """Whether it makes a noise for each image or for each class."""

    def passes(self, count: int) -> float:
        """Input-gradient passes that so many images cost, as a rule; 0 needs no surrogate."""

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Write float levels to `out`; they need not keep the budget, `seal` sees to that.

        Args:
            images: what to protect.
            budget: what the noise will be brought to.
            run: device, precision, seed, and a place for checkpoints.
            out: (N, C, H, W) sample-wise, (K, C, H, W) class-wise, in levels of 255.
            chosen: which images are to be protected, (N,); None: all. What it writes for the
                others, or for classes of which none is chosen, is not used.

        Returns:
            What is worth remembering of the search, ready for JSON.
        """


METHODS: dict[str, type[Method]] = {
    "em": ErrorMinimizing,
    "error-maximizing": ErrorMaximizing,
    "as-released": AsReleased,
    "random": RandomNoise,
    "transferred": Transferred,
    "lsp": SeparablePatches,
    "ar": Autoregressive,
    "ops": OnePixel,
    "cuda": ClassFilters,
    "patches": RandomPatches,
}


def make_method(name: str, settings: dict[str, str] | None = None) -> Method:
    """A method by its name, with settings as texts.

    Raises:
        SettingError: an unknown method or setting, or a value that does not fit.

    Example:
        >>> make_method("random", {"form": "class-wise"})
        RandomNoise(form='class-wise')
    """
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return parse(METHODS[name], settings or {})
