"""Noise as the published code of Huang et al., ICLR 2021, writes it into a data set.

It clamps the noise, where it should clamp the image, to 0..255, which drops all that is negative,
and turns x + δ to whole levels by truncation, which takes half a level from every pixel on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.methods.error_maximizing import ErrorMaximizing
from unlearnable.methods.surrogate import SURROGATE
from unlearnable.noise import Budget, Form, Norm
from unlearnable.runtime import Run
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class AsReleased:
    """Error-minimizing or error-maximizing noise with two faults of Huang et al.'s release, ε 8.

    Cost: that of the noise it is made from.

    Example:
        >>> AsReleased(of="error-maximizing").drops_negative
        True
    """

    published: ClassVar[Budget] = Budget("linf", 8)
    norms: ClassVar[tuple[Norm, ...]] = ("linf",)
    source: ClassVar[str] = "published code of Huang et al., ICLR 2021"

    form: Form = setting("sample-wise", "a noise for each image, or one for each class")
    of: Literal["em", "error-maximizing"] = setting("em", "the noise that it is made from")
    drops_negative: bool = setting(True, "whether negative noise is dropped")
    truncates: bool = setting(True, "whether levels are truncated, where they should be rounded")
    preset: Literal["fast", "paper"] = setting("fast", "the search of error-minimizing noise")
    surrogate: str = setting(SURROGATE, "the model that it is found against")
    epochs: int = setting(60, "of the surrogate of error-maximizing noise", least=1)
    rounds: int | None = setting(None, "most rounds of its search; none: its own", least=1)
    sweep_batch: int | None = setting(None, "images to an input gradient; none: measured", least=1)
    threads: int | None = setting(None, "of the processor; none: measured", least=1)

    def __post_init__(self) -> None:
        check(self)

    def passes(self, count: int, share: float = 1) -> float:
        """Those of the noise that it is made from."""
        return self._made_from().passes(count, share)

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Search noise for `images`, and spoil it; float levels go to `out`."""
        facts = self._made_from()(images, budget, run=run, out=out, chosen=chosen)
        for row in out:
            if self.drops_negative:
                np.maximum(row, 0, out=row)
            if self.truncates:
                np.floor(row, out=row)
        return facts

    def _made_from(self) -> ErrorMinimizing | ErrorMaximizing:
        shared: dict[str, Any] = {
            key: getattr(self, key) for key in ("form", "surrogate", "sweep_batch", "threads")
        }
        if self.rounds is not None:
            shared["rounds"] = self.rounds
        if self.of == "em":
            return ErrorMinimizing(preset=self.preset, **shared)
        return ErrorMaximizing(epochs=self.epochs, **shared)
