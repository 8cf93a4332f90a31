"""The one training loop, and what a trained model makes of test images."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearnable.augment import augment
from unlearnable.checkpoint import Checkpoint, pack, unpack
from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.freezing import refrozen
from unlearnable.hooks import NOTHING, Countermeasure, Moment
from unlearnable.learner import Learner
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.scoring import mean_recall

EVALUATION_BATCH = 500
CURVE = 2000
"""Test images that a learning curve is about, at most; what counts in the end is all of them."""


@dataclass(frozen=True)
class Epoch:
    """One point of a learning curve: accuracies on some test images, and on held-out ones."""

    loss: float
    accuracy: float | None = None
    heldout: float | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained model's record.

    Attributes:
        model: the network that counts: of the last epoch, if no countermeasure chose another, its
            weights averaged if the schedule says so.
        curve: training loss and accuracies, epoch by epoch.
        predictions: the class that it gives to each test image, (n,); None untested.
        epoch: the epoch that counts, from 1.
        seconds: what training took, evaluation included.
    """

    model: nn.Module
    curve: list[Epoch]
    predictions: NDArray[np.int64] | None
    epoch: int
    seconds: float


def fit(
    model: nn.Module,
    train: ImageSet,
    *,
    schedule: Schedule,
    run: Run,
    test: ImageSet | None = None,
    heldout: ImageSet | None = None,
    countermeasure: Countermeasure = NOTHING,
    job: str = "fit",
) -> Fitted:
    """Train a model, and follow its accuracy on test images; data and augmentation on the device.

    Args:
        model: a fresh network; it is trained in place, and the one that counts may be a copy.
        train: the training images, as `countermeasure.prepare` left them.
        schedule: how to train.
        run: device, precision and seed. With `run.state` it goes on from the last whole epoch.
        test: images for the learning curve; no choice is ever made by them.
        heldout: clean images that the trainer owns, for a countermeasure that takes some.
        countermeasure: what the trainer does besides.
        job: the name of its checkpoint.

    Raises:
        SettingError: a countermeasure that takes held-out images, and none given.
    """
    if countermeasure.needs_heldout and heldout is None:
        raise SettingError("this countermeasure takes clean images of the trainer's own: heldout.")
    started = time.monotonic()
    schedule = countermeasure.schedule(schedule)
    test, heldout = (None if s is None else s.at(schedule.side) for s in (test, heldout))
    learner = _learner(countermeasure.start(model, train, run=run), schedule, run)
    settings = {
        "schedule": schedule.settings(),
        "countermeasure": repr(countermeasure),
        "data": train.digest() if run.state else None,
        "weights": {name: list(p.shape) for name, p in learner.model.named_parameters()},
        "tested": test is not None,
        "seed": run.seed,
        "precision": run.precision,
    }
    checkpoint = Checkpoint(run.state, job, settings)
    choosing = "choose" in countermeasure.hooks
    curve, kept = _resumed(learner, checkpoint)
    followed = None if test is None else test.take(np.arange(0, len(test), -(-len(test) // CURVE)))
    watched = (followed, heldout if choosing else None)
    data = run.upload(train.images), torch.from_numpy(train.labels).to(run.device)
    for epoch in range(len(curve), schedule.epochs):
        loss = _epoch(
            learner,
            *data,
            schedule,
            epoch,
            countermeasure=countermeasure,
            classes=len(train.classes),
        )
        curve.append(Epoch(loss, *_accuracies(learner, watched)))
        if choosing and _chosen(countermeasure, curve) == len(curve) - 1:
            kept = {name: value.clone() for name, value in learner.best.state_dict().items()}
        where = {"curve": [asdict(point) for point in curve]}
        checkpoint.save({**learner.state(), **pack("kept", kept)}, where)
        run.tell("train", (epoch + 1) / schedule.epochs, epoch=epoch + 1, loss=loss)
    network = learner.best
    if choosing:
        network.load_state_dict(kept)
    if heldout is not None:
        network = countermeasure.finish(network, heldout, run=run)
    predictions = None if test is None else predict(refrozen(network, run.dtype), test, run)
    epoch = _chosen(countermeasure, curve) + 1 if choosing else len(curve)
    return Fitted(network, curve, predictions, epoch, time.monotonic() - started)


def _learner(model: nn.Module, schedule: Schedule, run: Run) -> Learner:
    return Learner(
        model,
        run,
        momentum=schedule.momentum,
        weight_decay=schedule.weight_decay,
        clip=schedule.clip,
        nesterov=schedule.nesterov,
        label_smoothing=schedule.label_smoothing,
        average=schedule.average,
    )


def _accuracies(learner: Learner, watched: Sequence[ImageSet | None]) -> list[float | None]:
    """The accuracy on each set; none where there is none."""
    if all(images is None for images in watched):
        return [None] * len(watched)
    run = learner.run
    network = refrozen(learner.best, run.dtype)
    return [None if images is None else accuracy(network, images, run) for images in watched]


def _chosen(countermeasure: Countermeasure, curve: list[Epoch]) -> int:
    return countermeasure.choose([point.heldout or 0.0 for point in curve])


def _resumed(learner: Learner, checkpoint: Checkpoint) -> tuple[list[Epoch], dict[str, Tensor]]:
    saved = checkpoint.load()
    if saved is None:
        return [], {}
    tensors, where = saved
    learner.restore(tensors)
    return [Epoch(**point) for point in where["curve"]], unpack("kept", tensors)


def _epoch(
    learner: Learner,
    images: Tensor,
    labels: Tensor,
    schedule: Schedule,
    epoch: int,
    *,
    countermeasure: Countermeasure,
    classes: int,
) -> float:
    run = learner.run
    draws = run.generator("augment", epoch)
    others = run.generator("countermeasure", epoch)
    batches = list(shuffled(len(images), schedule.batch_size, run, epoch))
    total = torch.zeros((), device=images.device)
    for place, rows in enumerate(batches):
        moment = Moment(run, others, (epoch + place / len(batches)) / schedule.epochs, classes)
        x = augment(images[rows], schedule.augmentations.split(), draws).float()
        if schedule.side:
            x = F.interpolate(x, (schedule.side, schedule.side), mode="bilinear", antialias=True)
        x = x.div_(255).contiguous(memory_format=torch.channels_last)
        x, y = countermeasure.batch(x, labels[rows], moment=moment)
        rate = schedule.rate(moment.progress)
        loss = learner.step(x, y, rate, countermeasure=countermeasure, moment=moment)
        total += loss * len(rows)
    return float(total) / len(images)


def shuffled(count: int, batch_size: int, run: Run, epoch: int) -> Iterator[Tensor]:
    """The rows of one epoch's batches, in an order that the seed and the epoch decide.

    A last batch of one image is left out, and one of less than a sixteenth of the others: batch
    norm has too little to go by, and what it remembers of it spoils the rest.
    """
    order = torch.randperm(count, generator=run.generator("order", epoch), device=run.device)
    least = max(2, min(count, batch_size) // 16)
    return (rows for rows in torch.split(order, batch_size) if len(rows) >= least)


def numbered(count: int, batch_size: int, run: Run, numbers: range) -> Iterator[Tensor]:
    """The rows of batches by their numbers, which go on through epochs."""
    an_epoch = len(list(shuffled(count, batch_size, run, 0)))
    for number in numbers:
        epoch, place = divmod(number, an_epoch)
        if number == numbers.start or place == 0:
            order = list(shuffled(count, batch_size, run, epoch))
        yield order[place]


@torch.no_grad()
def predict(model: nn.Module, images: ImageSet, run: Run) -> NDArray[np.int64]:
    """The class that a frozen model gives to each image, (n,)."""
    found = [
        model(batch.to(run.dtype).div_(255)).argmax(1)
        for batch in torch.split(run.upload(images.images), EVALUATION_BATCH)
    ]
    return torch.cat(found).cpu().numpy().astype(np.int64)


@torch.no_grad()
def embeddings(model: nn.Module, images: ImageSet, run: Run) -> NDArray[np.float32]:
    """What a frozen model makes of each image before its last linear layer, (n, d)."""
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    found: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda module, inputs: found.append(inputs[0].float()))
    try:
        predict(model, images, run)
    finally:
        hook.remove()
    return torch.cat(found).cpu().numpy()


def accuracy(model: nn.Module, images: ImageSet, run: Run) -> float:
    """Mean per-class recall of a frozen model, 0 to 1."""
    return mean_recall(predict(model, images, run), images.labels, len(images.classes))
