"""Augmented unlearnable examples: Wang et al., NeurIPS 2024, arXiv 2402.04010.

"Efficient Availability Attacks against Supervised and Contrastive Learning Simultaneously":
error-minimizing noise, with augmentations as strong as those of contrastive learning on both sides
of the min-min problem, so that it is easier than the picture to self-supervised learners as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.methods.surrogate import SURROGATE, Preset, Presets
from unlearnable.noise import Budget, Form, Norm
from unlearnable.runtime import Run
from unlearnable.settings import check, fill, setting

PRESETS: Presets = {
    "quick": {
        "rounds": 15,
        "batches": 40,
        "step": 0.15,
        "learning_rate": 0.05,
        "norm_momentum": 0.5,
    },
    "paper": {
        "rounds": 60,
        "batches": 391,
        "step": 0.1,
        "learning_rate": 0.1,
        "norm_momentum": 0.1,
    },
}
STEPS: Mapping[Form, int] = {"sample-wise": 5, "class-wise": 1}


@dataclass(frozen=True)
class AugmentedUnlearnable:
    """Augmented unlearnable examples (Wang et al., NeurIPS 2024), ε 8.

    Cost: 75 steps an image, and 600 batches of the surrogate's training. The quick settings go 15
    rounds of 40 batches and larger steps, in place of 60 rounds of 391; the surrogate learns at one
    rate throughout, where the published one follows a cosine.

    Example:
        >>> AugmentedUnlearnable(preset="paper").rounds
        60
    """

    published: ClassVar[Budget] = Budget("linf", 8)
    norms: ClassVar[tuple[Norm, ...]] = ("linf",)
    source: ClassVar[str] = "Wang et al., NeurIPS 2024"

    form: Form = setting("sample-wise", "a noise for each image, or one for each class")
    preset: Preset = setting("quick", "what the settings are that you leave out")
    surrogate: str = setting(SURROGATE, "the model that it is found against")
    strength: float = setting(60, "of the augmentations, in percent", above=0, most=100)
    rounds: int | None = setting(None, "of training and of steps", least=1)
    batches: int | None = setting(None, "SGD batches on the surrogate in a round", least=1)
    step: float | None = setting(None, "length of a signed step, in units of ε", above=0)
    steps: int | None = setting(None, "signed steps in a round", least=1)
    batch_size: int = setting(128, "images to an SGD batch", least=2)
    learning_rate: float | None = setting(None, "of the surrogate's SGD", above=0)
    norm_momentum: float | None = setting(
        None, "of the statistics that the surrogate's batch norm keeps", above=0, most=1
    )
    sweep_batch: int | None = setting(None, "images to an input gradient; none: measured", least=1)
    threads: int | None = setting(None, "of the processor; none: measured", least=1)

    def __post_init__(self) -> None:
        check(self)
        fill(self, {**PRESETS[self.preset], "steps": STEPS[self.form]})

    def passes(self, count: int, share: float = 1) -> float:
        """Input-gradient passes for so many images; a trained image counts as two."""
        assert self.rounds and self.batches and self.steps
        return self.rounds * (self.steps * share * count + 2 * self.batches * self.batch_size)

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Search noise for `images`, as `ErrorMinimizing` does, in a set number of rounds."""
        assert self.rounds and self.batches
        search = ErrorMinimizing(
            form=self.form,
            preset="paper",
            surrogate=self.surrogate,
            rounds=self.rounds,
            batches=self.batches,
            step=self.step,
            steps=self.steps,
            subset=1.0,
            stop_error=0.0,
            augmentations=f"contrastive:{self.strength:g}",
            sweep_augmentations=f"contrastive:{self.strength:g}",
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            norm_momentum=self.norm_momentum,
            sweep_batch=self.sweep_batch,
            threads=self.threads,
        )
        return search(images, budget, run=run, out=out, chosen=chosen)
