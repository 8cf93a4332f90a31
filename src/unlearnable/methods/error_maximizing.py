"""Error-maximizing noise: the min-max baseline of Huang et al., ICLR 2021.

A surrogate is trained to the end on clean augmented images, as in Madry et al., 2018, and then
left alone; signed steps uphill give each image, or each class, the noise that it gets most wrong.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.methods.layout import Layout
from unlearnable.methods.search import Search
from unlearnable.methods.surrogate import SURROGATE, trained_surrogate
from unlearnable.methods.views import read_by
from unlearnable.noise import Budget, Form, Norm
from unlearnable.runtime import Run
from unlearnable.schedules import SCHEDULES
from unlearnable.settings import check, fill, setting

BY_FORM: dict[Form, dict[str, Any]] = {
    "sample-wise": {"steps": 20, "subset": 1.0, "stop_error": 0.9},
    "class-wise": {"steps": 1, "subset": 0.2, "stop_error": 0.8},
}
"""What a setting left at None is: as published."""


@dataclass(frozen=True)
class ErrorMaximizing:
    """Error-maximizing noise (the min-max baseline of Huang et al., ICLR 2021), ε 8.

    Cost: the surrogate's training, and 20 input-gradient passes an image for each sweep.

    Example:
        >>> ErrorMaximizing(form="class-wise").stop_error
        0.8
    """

    published: ClassVar[Budget] = Budget("linf", 8)
    norms: ClassVar[tuple[Norm, ...]] = ("linf",)
    source: ClassVar[str] = "baseline of Huang et al., ICLR 2021"

    form: Form = setting("sample-wise", "a noise for each image, or one for each class")
    surrogate: str = setting(SURROGATE, "the model that it is found against")
    epochs: int = setting(60, "of the surrogate's training on clean images", least=1)
    step: float = setting(0.1, "length of a signed step, in units of ε", above=0)
    steps: int | None = setting(None, "steps in a sweep", least=1)
    subset: float | None = setting(None, "share of a class that sweeps use", above=0, most=1)
    stop_error: float | None = setting(None, "surrogate error that ends it", least=0, most=1)
    rounds: int = setting(10, "most sweeps, if the error is not reached before", least=1)
    sweep_batch: int | None = setting(None, "images to an input gradient; none: measured", least=1)
    threads: int | None = setting(None, "of the processor; none: measured", least=1)

    def __post_init__(self) -> None:
        check(self)
        fill(self, BY_FORM[self.form])

    def passes(self, count: int, share: float = 1) -> float:
        """Input-gradient passes for so many images, as a rule; a trained image counts as two."""
        assert self.steps is not None
        return (2 * self.epochs + self.steps * share) * count

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Search noise for `images`; float levels go to `out`.

        Returns:
            The surrogate, its error after each sweep, and whether the error was reached.
        """
        assert self.steps is not None and self.stop_error is not None
        schedule = replace(SCHEDULES["paper:cifar10"], epochs=self.epochs)
        still = trained_surrogate(images, self.surrogate, schedule, run)
        search = Search.begin(
            images, Layout.of(self.form), budget, run, share=self.subset or 1, chosen=chosen
        )
        checkpoint = search.checkpoint(asdict(self))
        errors = search.resume(checkpoint)
        with run.on_threads(self.threads):
            while len(errors) < self.rounds and not (errors and errors[-1] >= self.stop_error):
                search.sweep(
                    read_by(still),
                    size=-self.step * budget.size,
                    steps=self.steps,
                    batch_size=self.sweep_batch or search.usual_batch,
                )
                errors.append(search.error(still))
                search.save(checkpoint, errors)
                run.tell("search", len(errors) / self.rounds, error=f"{errors[-1]:.1%}")
        search.write(out)
        return {
            "surrogate": self.surrogate,
            "errors": errors,
            "reached": errors[-1] >= self.stop_error,
        }
