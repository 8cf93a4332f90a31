"""The one training loop, its schedules, and what a trained model makes of test images."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearnable.augment import augment
from unlearnable.checkpoint import Checkpoint, pack, unpack
from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError, unknown
from unlearnable.models import frozen
from unlearnable.runtime import Run
from unlearnable.scoring import mean_recall
from unlearnable.settings import check, setting

EVALUATION_BATCH = 500


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

    def __post_init__(self) -> None:
        check(self)

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
    """The schedule of a scale: `quick`; `paper`, its row chosen by the data set's name; or a row.

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


class Learner:
    """A network in training: one SGD step at a time, in mixed precision."""

    def __init__(
        self,
        model: nn.Module,
        run: Run,
        *,
        momentum: float,
        weight_decay: float,
        clip: float | None,
        nesterov: bool = False,
    ) -> None:
        self.model = model.to(run.device).to(memory_format=torch.channels_last)
        self.run = run
        self.clip = clip
        self.optimizer = torch.optim.SGD(
            self.model.parameters(),
            lr=0.0,
            momentum=momentum,
            weight_decay=weight_decay,
            nesterov=nesterov,
        )

    def step(self, x: Tensor, y: Tensor, rate: float) -> Tensor:
        """One step on images (n, C, H, W) in [0, 1] and labels (n,); gives the mean loss."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        with self.run.autocast():
            logits = self.model(x)
        loss = F.cross_entropy(logits.float(), y)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        return loss.detach()

    def state(self) -> dict[str, Tensor]:
        """Weights, statistics and momenta, for a checkpoint."""
        momenta = {
            name: self.optimizer.state[p]["momentum_buffer"]
            for name, p in self.model.named_parameters()
            if self.optimizer.state[p].get("momentum_buffer") is not None
        }
        return {**pack("model", self.model.state_dict()), **pack("momentum", momenta)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.model.load_state_dict(unpack("model", tensors))
        momenta = unpack("momentum", tensors)
        for name, parameter in self.model.named_parameters():
            if name in momenta:
                saved = torch.empty_like(parameter).copy_(momenta[name])
                self.optimizer.state[parameter]["momentum_buffer"] = saved


@dataclass(frozen=True)
class Epoch:
    """One point of a learning curve."""

    loss: float
    accuracy: float | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained model's record.

    Attributes:
        model: the network after the last epoch.
        curve: training loss and test accuracy, epoch by epoch.
        predictions: the class given to each test image after the last epoch, (n,); None untested.
        seconds: what training took, evaluation included.
    """

    model: nn.Module
    curve: list[Epoch]
    predictions: NDArray[np.int64] | None
    seconds: float


def fit(
    model: nn.Module,
    train: ImageSet,
    *,
    schedule: Schedule,
    run: Run,
    test: ImageSet | None = None,
    job: str = "fit",
) -> Fitted:
    """Train a model, and follow its accuracy on test images; data and augmentation on the device.

    Args:
        model: a fresh network; it is trained in place.
        train: the training images.
        schedule: how to train.
        run: device, precision and seed. With `run.state` it goes on from the last whole epoch.
        test: images for the learning curve; no choice is ever made by them.
        job: the name of its checkpoint.
    """
    started = time.monotonic()
    learner = Learner(
        model,
        run,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        clip=schedule.clip,
        nesterov=schedule.nesterov,
    )
    settings = {
        "schedule": asdict(schedule),
        "data": train.digest() if run.state else None,
        "weights": {name: list(p.shape) for name, p in model.named_parameters()},
        "tested": test is not None,
        "seed": run.seed,
        "precision": run.precision,
    }
    checkpoint = Checkpoint(run.state, job, settings)
    curve = _resumed(learner, checkpoint)
    data = run.upload(train.images), torch.from_numpy(train.labels).to(run.device)
    tests = None if test is None else run.upload(test.images)
    predictions = None
    for epoch in range(len(curve), schedule.epochs):
        loss = _epoch(learner, *data, schedule, epoch)
        accuracy = None
        if test is not None and tests is not None:
            predictions = predict(frozen(model, run.dtype), tests, run)
            accuracy = mean_recall(predictions, test.labels, len(test.classes))
        curve.append(Epoch(loss, accuracy))
        checkpoint.save(learner.state(), {"curve": [asdict(point) for point in curve]})
        run.tell("train", (epoch + 1) / schedule.epochs, epoch=epoch + 1, loss=loss)
    if tests is not None and predictions is None:
        predictions = predict(frozen(model, run.dtype), tests, run)
    return Fitted(model, curve, predictions, time.monotonic() - started)


def _resumed(learner: Learner, checkpoint: Checkpoint) -> list[Epoch]:
    saved = checkpoint.load()
    if saved is None:
        return []
    tensors, where = saved
    learner.restore(tensors)
    return [Epoch(**point) for point in where["curve"]]


def _epoch(
    learner: Learner, images: Tensor, labels: Tensor, schedule: Schedule, epoch: int
) -> float:
    run = learner.run
    draws = run.generator("augment", epoch)
    batches = list(shuffled(len(images), schedule.batch_size, run, epoch))
    total = torch.zeros((), device=images.device)
    for place, rows in enumerate(batches):
        x = augment(images[rows], schedule.augmentations.split(), draws)
        x = x.float().div_(255).contiguous(memory_format=torch.channels_last)
        rate = schedule.rate((epoch + place / len(batches)) / schedule.epochs)
        total += learner.step(x, labels[rows], rate) * len(rows)
    return float(total) / len(images)


def shuffled(count: int, batch_size: int, run: Run, epoch: int) -> Iterator[Tensor]:
    """The rows of one epoch's batches, in an order that the seed and the epoch decide.

    A last batch of one image is left out: batch norm has no variance to go by.
    """
    order = torch.randperm(count, generator=run.generator("order", epoch), device=run.device)
    return (rows for rows in torch.split(order, batch_size) if len(rows) > 1)


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, run: Run) -> NDArray[np.int64]:
    """The class that a frozen model gives to each image, uint8 (N, C, H, W)."""
    found = [
        model(batch.to(run.dtype).div_(255)).argmax(1)
        for batch in torch.split(images, EVALUATION_BATCH)
    ]
    return torch.cat(found).cpu().numpy().astype(np.int64)
