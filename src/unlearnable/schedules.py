"""How target models are trained: the paper's protocol, and ours for when time is short."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from unlearnable.errors import SettingError, unknown
from unlearnable.settings import check, setting

SMALLEST, EPOCH = 32, 8
"""Images in a batch at least, and batches in an epoch, where there are few images."""


@dataclass(frozen=True)
class Schedule:
    """How a target model is trained: SGD with momentum, the last epoch counts.

    Example:
        >>> Schedule(epochs=5).rate(1.0) < Schedule(epochs=5).rate(0.3)
        True
    """

    epochs: int = setting(15, "passes over the training images", least=1)
    batch_size: int = setting(128, "images to a step", least=1)
    learning_rate: float = setting(0.2, "the highest learning rate", above=0)
    policy: Literal["one-cycle", "cosine", "steps"] = setting(
        "one-cycle", "how the learning rate moves: `steps` divides it by 10 at 60 % and 80 %"
    )
    momentum: float = setting(0.9, "of SGD", least=0, most=1)
    nesterov: bool = setting(True, "Nesterov's form of momentum")
    weight_decay: float = setting(5e-4, "of SGD", least=0)
    clip: float | None = setting(None, "largest norm of the gradient", above=0)
    augmentations: str = setting("crop:4 flip", "names from `augment.py`, in order")
    side: int | None = setting(
        None, "of the square that augmented and test images are brought to, in pixels", least=8
    )
    label_smoothing: float = setting(
        0.0, "share of a label that goes to all classes", least=0, most=1
    )
    average: float = setting(
        0.0,
        "decay a step of the mean of weights that counts; 0: the last",
        least=0,
        most=0.9999,
    )

    def __post_init__(self) -> None:
        check(self)

    def settings(self) -> dict[str, Any]:
        """The fields, ready for JSON; `side` only where it is set: records have hashes of this."""
        return {key: value for key, value in asdict(self).items() if key != "side" or value}

    def lasting(self, batches: int, images: int) -> Schedule:
        """The same, or what makes at least so many batches of few images.

        They come in smaller ones, at a rate as much lower, and more often.

        Example:
            >>> few = Schedule().lasting(400, images=200)
            >>> few.batch_size, few.epochs, few.learning_rate
            (32, 58, 0.05)
        """
        if self.epochs * images >= batches * self.batch_size:
            return self
        size = min(self.batch_size, max(SMALLEST, images // EPOCH))
        return replace(
            self,
            batch_size=size,
            epochs=max(self.epochs, math.ceil(batches / math.ceil(images / size))),
            learning_rate=self.learning_rate * size / self.batch_size,
        )

    def shorter(self, size: tuple[int, int]) -> int:
        """The shorter side of what a network sees of images of a size, in pixels."""
        return self.side or min(size)

    def rate(self, progress: float) -> float:
        """The learning rate when this share (0 to 1) of the training is done."""
        if self.policy == "one-cycle":  # Smith and Topin, "Super-Convergence", 2018
            warm = 0.3
            if progress < warm:
                return self.learning_rate * (0.04 + 0.96 * _rise(progress / warm))
            return self.learning_rate * (1 - _rise((progress - warm) / (1 - warm)))
        epoch = math.floor(progress * self.epochs + 1e-9)
        if self.policy == "cosine":
            return self.learning_rate * (1 - _rise(epoch / self.epochs))
        drops = (epoch >= 0.6 * self.epochs) + (epoch >= 0.8 * self.epochs)
        return self.learning_rate * 0.1**drops


def _rise(share: float) -> float:
    """From 0 to 1 along half a cosine."""
    return (1 - math.cos(math.pi * share)) / 2


_PAPER = Schedule(
    epochs=60, learning_rate=0.1, policy="cosine", nesterov=False, weight_decay=5e-4, clip=5.0
)
SCHEDULES = {
    "quick": Schedule(),
    # less than half of the paper's epochs, and so smaller crops: results/benchmarks/schedules.jsonl
    "fast": Schedule(
        epochs=27,
        batch_size=256,
        augmentations="crop:2 flip",
        label_smoothing=0.1,
        average=0.98,
    ),
    # of photos a trainer's network sees parts, at sizes of its own
    "photos": Schedule(epochs=30, augmentations="resized-crop:8 flip", side=64),
    # no crops: on so few and so plain images they take away the head start that noise needs
    "demo": Schedule(epochs=12, batch_size=64, learning_rate=0.1, augmentations="flip"),
    # Huang et al. 2021, by data set; last epoch, batches of 128
    "paper:cifar10": _PAPER,
    "paper:svhn": replace(_PAPER, epochs=30, augmentations=""),
    "paper:cifar100": replace(
        _PAPER, epochs=100, weight_decay=5e-5, augmentations="crop:4 flip rotate:20"
    ),
    "paper:imagenet": replace(
        _PAPER, epochs=100, weight_decay=5e-5, augmentations="resized-crop:8 flip jitter:40"
    ),
}


def schedule_for(scale: str, source: str) -> Schedule:
    """The schedule of a scale: `paper`, its row chosen by the data set's name, or any in the table.

    Raises:
        SettingError: an unknown scale, or a data set that has no row in the paper.
    """
    if scale == "paper":
        row = f"paper:{source}"
        if row not in SCHEDULES:
            rows = ", ".join(name for name in SCHEDULES if name.startswith("paper:"))
            raise SettingError(f"the paper has no protocol for {source}: choose one of {rows}.")
        return SCHEDULES[row]
    if scale not in SCHEDULES:
        raise unknown("scale", scale, [*SCHEDULES, "paper"])
    return SCHEDULES[scale]
