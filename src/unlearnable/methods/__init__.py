"""The noise methods: one file each, and this table.

A new method is a frozen dataclass in a file of its own, and one line here; the command line, the
docs and the contract tests find it through the table.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError, unknown
from unlearnable.methods.aap import AugmentedPoisons
from unlearnable.methods.ar import Autoregressive
from unlearnable.methods.as_released import AsReleased
from unlearnable.methods.aue import AugmentedUnlearnable
from unlearnable.methods.combined import Combined
from unlearnable.methods.cuda import ClassFilters
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.methods.error_maximizing import ErrorMaximizing
from unlearnable.methods.hypo import HypocriticalNoise
from unlearnable.methods.lsp import SeparablePatches
from unlearnable.methods.ops import OnePixel
from unlearnable.methods.patches import RandomPatches
from unlearnable.methods.random import RandomNoise
from unlearnable.methods.rem import RobustErrorMinimizing
from unlearnable.methods.sem import StableErrorMinimizing
from unlearnable.methods.tap import TargetedPoisons
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

    def passes(self, count: int, share: float = 1) -> float:
        """Input-gradient passes that so many images cost, as a rule; 0 needs no surrogate.

        Args:
            count: images that the search sees.
            share: of these that gets noise, 0 to 1.
        """

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
    "tap": TargetedPoisons,
    "hypo": HypocriticalNoise,
    "sem": StableErrorMinimizing,
    "aue": AugmentedUnlearnable,
    "aap": AugmentedPoisons,
    "rem": RobustErrorMinimizing,
}


USUAL = "em"
KEY = "tap"
KEY_SETTINGS = {
    "form": "class-wise",
    "target": "none",
    "surrogates": "4",
    "step": "0.02",
    "steps": "600",
    "augmentations": "crop:6 flip rotate:10",
}
"""The noise of one class among others that stay as they are. From these a model learns what tells
faces apart, and knows this one as well, however soon its error-minimizing noise is learnt. So its
photos are led away from it: what they teach then is somebody else's looks. They are met moved and
turned, as the photos that a key is yet to meet differ from those that it was found from."""


def usual_method(named: bool, settings: dict[str, str] | None = None) -> Method:
    """What is meant where no method is named: for a class of one's own, or for whole sets."""
    if named:
        return make_method(KEY, {**KEY_SETTINGS, **(settings or {})})
    return make_method(USUAL, settings)


def make_method(name: str, settings: dict[str, str] | None = None) -> Method:
    """A method by its name, with settings as texts; or several, as in `ops+em`.

    Of several, a setting such as `em.steps` is for one, `em.epsilon` its budget, and one without
    a name, such as `form`, for all that have it.

    Raises:
        SettingError: an unknown method or setting, or a value that does not fit.

    Example:
        >>> make_method("random", {"form": "class-wise"})
        RandomNoise(form='class-wise')
        >>> make_method("ops+em", {"em.epsilon": "4"}).budgets
        (Budget(norm='l0', size=1, masked=False), Budget(norm='linf', size=4, masked=False))
    """
    names, settings = name.split("+"), settings or {}
    for one in names:
        if one not in METHODS:
            raise unknown("method", one, METHODS)
    if len(names) == 1:
        return parse(METHODS[name], settings)
    return _combined(names, settings)


def name_of(method: Method) -> str:
    """What `make_method` knows it by; of a method that is not in the table, its class's name."""
    if isinstance(method, Combined):
        return "+".join(method.names)
    names = [name for name, cls in METHODS.items() if cls is type(method)]
    return names[0] if names else type(method).__name__


def _combined(names: list[str], settings: dict[str, str]) -> Combined:
    """Several methods, each with the settings that are meant for it."""
    if len(set(names)) < len(names):
        raise SettingError(f"{'+'.join(names)}: name each noise once.")
    own: dict[str, dict[str, str]] = {name: {} for name in names}
    sizes: dict[str, str] = {}
    for key, text in settings.items():
        part, dot, setting = key.rpartition(".")
        takers = [name for name in names if key in METHODS[name].__dataclass_fields__]
        if dot and part not in own:
            raise unknown("part", part, own)
        if not dot and not takers:
            raise unknown("setting", key, [f"{name}.{key}" for name in names])
        if setting == "epsilon":
            sizes[part] = text
        else:
            for name in [part] if dot else takers:
                own[name][setting] = text
    parts = tuple(parse(METHODS[name], own[name]) for name in names)
    if len({part.form for part in parts}) > 1:
        raise SettingError(f"{'+'.join(names)}: give all one form, by --form.")
    budgets = tuple(
        part.published.sized(sizes[name]) if name in sizes else part.published
        for name, part in zip(names, parts, strict=True)
    )
    return Combined(parts[0].form, tuple(names), parts, budgets)
