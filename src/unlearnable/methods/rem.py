"""Robust error-minimizing noise: Fu et al., "Robust Unlearnable Examples".

ICLR 2022, arXiv 2203.14533. The min-min-max problem

    min over θ of the mean over images of  min over |δ| ≤ ε of  E over t of  max over |σ| ≤ ρ of
        loss(f(t(x + δ) + σ; θ), y)

asks for noise that leaves nothing to learn even to a model that trains on attacked images: σ is the
attack of adversarial training at radius ρ, and t is a random crop and flip.

Ours keeps the noise of each image from one batch to the next, where the published search begins it
anew each time and once more for all in the end; so it needs fewer steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearnable.augment import resolve
from unlearnable.data.imageset import ImageSet
from unlearnable.freezing import refrozen
from unlearnable.learner import Learner
from unlearnable.methods.layout import Layout
from unlearnable.methods.search import Search
from unlearnable.methods.surrogate import SURROGATE, Preset, Presets, surrogate_for
from unlearnable.methods.views import read_by, view_of
from unlearnable.noise import Budget, Form, Norm
from unlearnable.pgd import FULL, Objective, attack
from unlearnable.runtime import Run
from unlearnable.settings import check, fill, setting
from unlearnable.training import numbered

AT_ONCE = 50  # batches between two checkpoints
DROP, EVERY = 0.1, 0.4  # what the learning rate is multiplied by, each time this share is done


@dataclass(frozen=True)
class RobustErrorMinimizing:
    """Robust error-minimizing noise (Fu et al., ICLR 2022), ε 8, against attacks of radius 4.

    Cost: about 90 input gradients an image of 10,000, 8 minutes on two cores. The quick settings
    take 750 batches of a quarter of the images in place of 5,000 of all, 2 steps through one draw
    in place of 10 through 5, and attacks of one step in place of 10.

    Example:
        >>> RobustErrorMinimizing(preset="paper").samples
        5
    """

    published: ClassVar[Budget] = Budget("linf", 8)
    norms: ClassVar[tuple[Norm, ...]] = ("linf",)
    source: ClassVar[str] = "Fu et al., ICLR 2022"
    PRESETS: ClassVar[Presets] = {
        "quick": {
            "subset": 0.25,
            "batches": 750,
            "step": 0.4,
            "steps": 2,
            "last_steps": 10,
            "samples": 1,
            "attack_steps": 1,
            "attack_step": 1.0,
            "disturbing_steps": 1,
            "learning_rate": 0.05,
            "norm_momentum": 0.5,
        },
        "paper": {
            "subset": 1.0,
            "batches": 5000,
            "step": 0.2,
            "steps": 10,
            "last_steps": 10,
            "samples": 5,
            "attack_steps": 10,
            "attack_step": 0.2,
            "disturbing_steps": 10,
            "learning_rate": 0.1,
            "norm_momentum": 0.1,
        },
    }

    form: Form = setting("sample-wise", "a noise for each image, or one for each class")
    preset: Preset = setting("quick", "what the settings are that you leave out")
    surrogate: str = setting(SURROGATE, "the model that it is found against")
    radius: float = setting(0.5, "of the attacks that it is to withstand, in units of ε", above=0)
    subset: float | None = setting(
        None,
        "share of a class that the surrogate learns from, until the last steps",
        above=0,
        most=1,
    )
    batches: int | None = setting(None, "SGD batches on the surrogate", least=1)
    step: float | None = setting(None, "length of a signed step, in units of ε", above=0)
    steps: int | None = setting(None, "signed steps of a batch of images, before each", least=1)
    last_steps: int | None = setting(None, "of all images, in the end", least=1)
    samples: int | None = setting(None, "draws of crop, flip and attack to a step", least=1)
    attack_steps: int | None = setting(None, "of an attack that the surrogate learns from", least=1)
    attack_step: float | None = setting(None, "length of these, in units of the radius", above=0)
    disturbing_steps: int | None = setting(
        None, "of an attack that the noise is found under; 0: uniform noise", least=0
    )
    augmentations: str = setting("crop:4 flip", "what the surrogate sees images through")
    batch_size: int = setting(128, "images to an SGD batch", least=2)
    sweep_batch: int | None = setting(None, "images to an input gradient; none: measured", least=1)
    threads: int | None = setting(None, "of the processor; none: measured", least=1)
    learning_rate: float = setting(
        0.1, "of the surrogate's SGD, a tenth at 40 and at 80 %", above=0
    )
    momentum: float = setting(0.9, "of the surrogate's SGD", least=0, most=1)
    norm_momentum: float | None = setting(
        None, "of the statistics that the surrogate's batch norm keeps", above=0, most=1
    )
    weight_decay: float = setting(5e-4, "of the surrogate's SGD", least=0)

    def __post_init__(self) -> None:
        check(self)
        fill(self, self.PRESETS[self.preset])
        resolve(self.augmentations.split())  # refuses what is no augmentation

    def passes(self, count: int, share: float = 1) -> float:
        """Input-gradient passes for so many images; a trained image counts as two."""
        assert self.batches and self.steps and self.last_steps and self.samples
        assert self.attack_steps and self.disturbing_steps is not None
        step = self.samples * (1 + self.disturbing_steps)
        batch = self.batch_size * (self.steps * step * share + self.attack_steps + 2)
        return self.batches * batch + self.last_steps * step * share * count

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

        Args:
            images: what to protect, and what is published beside it.
            budget: an L∞ budget.
            run: device, precision, seed; with `run.state` it goes on from the last 50 batches.
            out: (N, C, H, W) sample-wise, (K, C, H, W) class-wise.
            chosen: which images are to be protected, (N,); None: all.

        Returns:
            The surrogate, its mean loss on attacked images in each 50 batches, and the share of
            protected images that it gets wrong in the end, unattacked.
        """
        assert self.batches and self.last_steps
        search = Search.begin(
            images, Layout.of(self.form), budget, run, share=self.subset or 1, chosen=chosen
        )
        pool = search.trainable
        model = surrogate_for(
            images, self.surrogate, run.seeded("surrogate"), norm_momentum=self.norm_momentum
        )
        learner = Learner(
            model,
            run,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            clip=None,
        )
        checkpoint = search.checkpoint(asdict(self))
        losses = search.resume(checkpoint, learner)
        with run.on_threads(self.threads):
            for first in range(len(losses) * AT_ONCE, self.batches, AT_ONCE):
                numbers = range(first, min(first + AT_ONCE, self.batches))
                order = numbered(len(pool), self.batch_size, run, numbers)
                total = torch.zeros((), device=run.device)
                for number, places in zip(numbers, order, strict=True):
                    total += self._round(search, learner, pool[places], number)
                losses.append(float(total) / len(numbers))
                search.save(checkpoint, losses, learner)
                run.tell("search", numbers.stop / (self.batches + AT_ONCE), loss=losses[-1])
            still = refrozen(learner.model, run.dtype)
            search.rows = search.protected
            self._sweep(search, still, "last", self.last_steps)
        search.write(out)
        return {
            "surrogate": self.surrogate,
            "losses": [round(loss, 4) for loss in losses],
            "error": search.error(still),
        }

    def _round(self, search: Search, learner: Learner, rows: Tensor, number: int) -> Tensor:
        """A batch of images gets better noise, and the surrogate learns from it under attack."""
        assert self.batches and self.steps and self.attack_steps and self.learning_rate
        run, model = search.run, refrozen(learner.model, search.run.dtype)
        search.rows = rows[torch.isin(rows, search.protected)]
        if len(search.rows):
            self._sweep(search, model, number, self.steps)
        x = view_of(run, "train", number, augmentations=self.augmentations)(search.batch(rows))
        losses = self._losses(search, model, search.labels[rows])
        x = self._attack(search)(
            losses, x, steps=self.attack_steps, generator=run.generator("attack", number)
        )
        search.trained += len(rows)
        rate = self.learning_rate * DROP ** int(number / (EVERY * self.batches))
        return learner.step(x, search.labels[rows], rate)

    def _sweep(self, search: Search, model: nn.Module, purpose: object, steps: int) -> None:
        """Signed steps on the noise of `search.rows`."""
        assert self.step
        search.sweep(
            self._objective(search, model, purpose),
            size=self.step * search.epsilon,
            steps=steps,
            batch_size=self.sweep_batch or search.usual_batch,
        )

    def _objective(self, search: Search, model: nn.Module, purpose: object) -> Objective:
        """The loss on images under attack, or under uniform noise: the mean over some draws."""
        run, attacked = search.run, self._attack(search)
        view = view_of(run, "sweep", purpose, augmentations=self.augmentations)
        draws = run.generator("disturb", purpose)

        def objective(x: Tensor, labels: Tensor) -> Tensor:
            losses, found = self._losses(search, model, labels), []
            for _ in range(self.samples or 1):
                seen = view(x)
                still = seen.detach().float()
                worst = attacked(losses, still, steps=self.disturbing_steps, generator=draws)
                # straight through: what the attack adds does not move with the image
                found.append(losses(seen + (worst - still).to(seen.dtype)))
            return torch.stack(found).mean(0)

        return objective

    def _losses(
        self, search: Search, model: nn.Module, labels: Tensor
    ) -> Callable[[Tensor], Tensor]:
        objective = read_by(model)
        return lambda x: objective(x.to(search.run.dtype), labels)

    def _attack(self, search: Search) -> Callable[..., Tensor]:
        """From losses and images to these at their worst within the radius."""
        assert self.attack_step
        return partial(attack, radius=self.radius * search.epsilon / FULL, step=self.attack_step)
