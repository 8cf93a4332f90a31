"""What methods share whose surrogates are trained on clean images first, and then left alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearnable.augment import resolve
from unlearnable.data.imageset import ImageSet
from unlearnable.methods.layout import Layout
from unlearnable.methods.search import Search
from unlearnable.methods.surrogate import (
    SURROGATE,
    Ensemble,
    Preset,
    Presets,
    trained_surrogate,
)
from unlearnable.methods.views import read_by, view_of
from unlearnable.methods.ways import ways_of
from unlearnable.noise import Budget, Form
from unlearnable.runtime import Run
from unlearnable.schedules import SCHEDULES, Schedule
from unlearnable.settings import check, fill, setting

AT_ONCE = 10  # steps between two checkpoints
ALL = 0.99  # a share that is as good as all


@dataclass(frozen=True)
class CleanTrained:
    """Steps against frozen networks that know the clean images, each image on its own.

    A subclass says in `PRESETS` what the settings are that are left out, and in `aims` what each
    image is to be taken for; a step goes towards that, or away from it where `away` is true.
    """

    PRESETS: ClassVar[Presets]

    form: Form = setting("sample-wise", "a noise for each image, or one for each class")
    preset: Preset = setting("quick", "what the settings are that you leave out")
    surrogate: str = setting(SURROGATE, "the model that it is found against")
    surrogates: int = setting(1, "how many of these, each begun anew, are met at once", least=1)
    epochs: int | None = setting(None, "of their training on clean images", least=1)
    batches: int = setting(
        400, "of that training at least: few images come in smaller ones, and more often", least=1
    )
    trained_through: str | None = setting(None, "augmentations of that training")
    step: float | None = setting(None, "length of a step, in units of ε", above=0)
    steps: int | None = setting(None, "that each image takes", least=1)
    start: Literal["zero", "random"] = setting("random", "the noise before the first step")
    restarts: int | None = setting(None, "starts, of which the best counts", least=1)
    augmentations: str | None = setting(None, "what the surrogate sees images through in a step")
    survive: str = setting(
        "", "ways to a trainer that it is to survive, as in `jpeg:75 resize:0.5 crop gray`"
    )
    sweep_batch: int | None = setting(None, "images to an input gradient; none: measured", least=1)
    threads: int | None = setting(None, "of the processor; none: measured", least=1)

    def __post_init__(self) -> None:
        check(self)
        fill(self, self.PRESETS[self.preset])
        for names in (self.augmentations, self.trained_through):
            resolve((names or "").split())  # refuses what is no augmentation
        ways_of(self.survive.split())

    @property
    def away(self) -> bool:
        """Whether images are led away from their aims, and not to them."""
        return False

    @property
    def _outcome(self) -> str:
        """What the share of images is called that the surrogate takes for their aims."""
        return "unmoved" if self.away else "taken"

    def aims(self, labels: Tensor, classes: int) -> Tensor:
        """The class that each image is led to, or away from, (N,)."""
        raise NotImplementedError

    def passes(self, count: int, share: float = 1) -> float:
        """Input-gradient passes for so many images; a trained image counts as two."""
        assert self.steps and self.restarts
        epochs = self._schedule(count).epochs
        return self.surrogates * (2 * epochs + self.steps * self.restarts * share) * count

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Find noise for `images`; float levels go to `out`.

        Args:
            images: what to protect.
            budget: L∞, or L2 where the method has that norm.
            run: device, precision, seed; with `run.state` it goes on from the last ten steps.
            out: (N, C, H, W) sample-wise, (K, C, H, W) class-wise.
            chosen: which images are to be protected, (N,); None: all.

        Returns:
            The surrogate, the share of protected images that it takes for their aims with the noise
            (`taken`), and its mean loss on these without and with it. Of images that are led away
            from their class the share that it knows in spite of the noise (`unmoved`) instead of
            `taken`, and whether that is as good as all (`known`).
        """
        assert self.restarts
        schedule = self._schedule(len(images))
        still = Ensemble(
            trained_surrogate(
                images, self.surrogate, schedule, run.part(which, self.surrogates), which
            )
            for which in range(self.surrogates)
        )
        with run.on_threads(self.threads):
            begun = partial(self._begun, images, budget, run, chosen)
            best = self._descended(begun(0), still, 0)
            lowest = self._losses(best, still)
            for start in range(1, self.restarts):
                other = self._descended(begun(start), still, start)
                losses = self._losses(other, still)
                best.delta[losses < lowest] = other.delta[losses < lowest]
                lowest = torch.minimum(lowest, losses)
        best.write(out)
        share = round(1 - best.error(still), 4)
        return {
            "surrogate": self.surrogate,
            self._outcome: share,
            **({"known": share >= ALL} if self.away else {}),
            "loss": [round(float(best.losses(still, bare).mean()), 4) for bare in (True, False)],
        }

    def _schedule(self, count: int) -> Schedule:
        """How surrogates are trained on so many clean images."""
        assert self.epochs and self.trained_through is not None
        usual = replace(SCHEDULES["quick"], epochs=self.epochs, augmentations=self.trained_through)
        return usual.lasting(self.batches, count)

    def _begun(
        self,
        images: ImageSet,
        budget: Budget,
        run: Run,
        chosen: NDArray[np.bool_] | None,
        start: int,
    ) -> Search:
        """One of the starts."""
        seeded = run.seeded("start", start) if start else run
        search = Search.begin(
            images, Layout.of(self.form), budget, seeded, start=self.start, chosen=chosen
        )
        search.aims = self.aims(search.labels, len(images.classes))
        return search

    def _descended(self, search: Search, still: nn.Module, start: int) -> Search:
        """All steps from one start, with a checkpoint every few."""
        assert self.step and self.steps
        run = search.run
        checkpoint = search.checkpoint(asdict(self), f"search-{start}" if start else "search")
        errors = search.resume(checkpoint)
        done = min(len(errors) * AT_ONCE, self.steps)
        while done < self.steps:
            view = view_of(
                run, "sweep", done, augmentations=self.augmentations, survive=self.survive
            )
            steps = min(AT_ONCE, self.steps - done)
            alone = 1 if search.layout.shared else steps  # until those that share a noise agree
            for _ in range(steps // alone):
                search.sweep(
                    read_by(still, view),
                    size=self.step * search.epsilon * (-1 if self.away else 1),
                    steps=alone,
                    batch_size=self.sweep_batch or search.usual_batch,
                )
            done += steps
            errors.append(search.error(still))
            search.save(checkpoint, errors)
            share = (start + done / self.steps) / (self.restarts or 1)
            run.tell("search", share, **{self._outcome: f"{1 - errors[-1]:.1%}"})
        return search

    def _losses(self, search: Search, still: nn.Module) -> Tensor:
        """How far each noise is from what is wanted, the mean over the images that have it."""
        losses = search.losses(still) * (-1 if self.away else 1)
        index = search.index[search.protected]
        sums = torch.zeros(len(search.delta), device=losses.device).index_add_(0, index, losses)
        return sums / torch.bincount(index, minlength=len(sums)).clamp_min(1)
