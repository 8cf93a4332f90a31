"""What a trainer may do besides plain training: the hooks of `fit()`, each of which does nothing.

A countermeasure fills in one of them, rarely two, and `Together` joins several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule

Criterion = Callable[[Tensor, Tensor], Tensor]
"""From logits (n, K) and labels, (n,) or soft (n, K), to the loss of each image, (n,)."""

ALONE = ("start", "loss", "choose", "finish")
"""The hooks of which a training can have only one."""


@dataclass(frozen=True)
class Moment:
    """Where a training is.

    Attributes:
        run: device, precision and seed.
        generator: for random draws, on the device.
        progress: the share of the training that is done, 0 to 1.
        classes: how many there are, for soft labels.
    """

    run: Run
    generator: torch.Generator
    progress: float
    classes: int = 0


@dataclass(frozen=True)
class Countermeasure:
    """What somebody may do to learn from protected images anyway.

    A subclass is a frozen dataclass whose fields are its settings, and overrides what it needs.
    """

    source: ClassVar[str] = ""
    """The paper that it is from, or where it is usual."""
    called: ClassVar[str] = ""
    """What it is called in a sentence, its settings in braces."""

    @property
    def hooks(self) -> frozenset[str]:
        """The hooks that it uses."""
        ours = ("prepare", "batch", "schedule", *ALONE)
        return frozenset(
            name for name in ours if getattr(type(self), name) is not getattr(Countermeasure, name)
        )

    @property
    def words(self) -> str:
        """What it is called in a sentence."""
        return self.called.format(
            **{field.name: getattr(self, field.name) for field in fields(self)}
        )

    @property
    def cost(self) -> float:
        """About what a training with it takes, in trainings without; for estimates alone."""
        return 1.0

    @property
    def files(self) -> tuple[Path, ...]:
        """Files of the user's that it reads: their contents count as its settings do."""
        return ()

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """The stored training images changed, once and before `fit` sees them; never test images.

        Args:
            train: the suspect images, uint8, and their labels.
            run: device and seed, and in `run.state` a place for what takes long.
        """
        return train

    def schedule(self, usual: Schedule) -> Schedule:
        """The schedule that it needs, if the usual one does not do."""
        return usual

    def start(self, model: nn.Module, train: ImageSet, *, run: Run) -> nn.Module:
        """The network that training starts from: pretrained in place, or another.

        A parameter without gradient is not trained. When a training is resumed this is called
        again, so what takes long keeps its end in `run.state`.
        """
        return model

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """A batch changed after the schedule's own augmentations.

        Args:
            x: images in [0, 1], float32 (n, C, H, W).
            y: labels, (n,), or soft, (n, K), if an earlier part of a composition made them so.
            moment: for random draws.
        """
        return x, y

    def loss(
        self, model: nn.Module, x: Tensor, y: Tensor, *, criterion: Criterion, moment: Moment
    ) -> Tensor:
        """The scalar that a step brings down, from a batch as `batch` left it."""
        return criterion(model(x).float(), y).mean()

    def choose(self, heldout: Sequence[float]) -> int:
        """The epoch whose network counts, from the held-out accuracy after each epoch so far."""
        return len(heldout) - 1

    def finish(self, model: nn.Module, heldout: ImageSet, *, run: Run) -> nn.Module:
        """The trained network changed with a few clean images, in place or another."""
        return model

    @property
    def needs_heldout(self) -> bool:
        """Whether it takes clean images that the trainer owns."""
        return not self.hooks.isdisjoint(("choose", "finish"))


@dataclass(frozen=True)
class Together(Countermeasure):
    """Several countermeasures in one training, each hook in the order of the parts.

    Raises:
        SettingError: two parts want a hook that only one can have.
    """

    parts: tuple[Countermeasure, ...] = ()

    def __post_init__(self) -> None:
        for hook in ALONE:
            users = [type(part).__name__ for part in self.parts if hook in part.hooks]
            if len(users) > 1:
                raise SettingError(
                    f"{' and '.join(users)} cannot be composed: both decide the {hook} of a "
                    "training, and only one can; name them in two countermeasures."
                )

    @property
    def hooks(self) -> frozenset[str]:
        """The hooks that its parts use."""
        return frozenset().union(*(part.hooks for part in self.parts))

    @property
    def words(self) -> str:
        """The parts', one after the other."""
        return " with ".join(part.words for part in self.parts)

    @property
    def cost(self) -> float:
        """What the parts cost beyond a plain training, added to one."""
        return 1 + sum(part.cost - 1 for part in self.parts)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Every part in turn."""
        for part in self.parts:
            train = part.prepare(train, run=run)
        return train

    def schedule(self, usual: Schedule) -> Schedule:
        """Every part in turn."""
        for part in self.parts:
            usual = part.schedule(usual)
        return usual

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """Every part in turn."""
        for part in self.parts:
            x, y = part.batch(x, y, moment=moment)
        return x, y

    def start(self, model: nn.Module, train: ImageSet, *, run: Run) -> nn.Module:
        """The one part's that has it."""
        return self._one("start").start(model, train, run=run)

    def loss(
        self, model: nn.Module, x: Tensor, y: Tensor, *, criterion: Criterion, moment: Moment
    ) -> Tensor:
        """The one part's that has it."""
        return self._one("loss").loss(model, x, y, criterion=criterion, moment=moment)

    def choose(self, heldout: Sequence[float]) -> int:
        """The one part's that has it."""
        return self._one("choose").choose(heldout)

    def finish(self, model: nn.Module, heldout: ImageSet, *, run: Run) -> nn.Module:
        """The one part's that has it."""
        return self._one("finish").finish(model, heldout, run=run)

    def _one(self, hook: str) -> Countermeasure:
        return next((part for part in self.parts if hook in part.hooks), NOTHING)


NOTHING = Countermeasure()
