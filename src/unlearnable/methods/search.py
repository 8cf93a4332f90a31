"""What every search against a surrogate shares: the images, the noise so far, sweeps and errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearnable.checkpoint import Checkpoint
from unlearnable.data.imageset import ImageSet
from unlearnable.noise import Form
from unlearnable.pgd import Objective, seen, sweep
from unlearnable.runtime import Run
from unlearnable.training import Learner

ERROR_BATCH = 500
USUAL_BATCH = 128  # images to an input gradient, where nothing was chosen or measured
View = Callable[[Tensor], Tensor]
"""From images (n, C, H, W) in [0, 1] to what a network is shown of them, differentiable."""

DEFAULT_SURROGATE = {False: "resnet18:16", True: "resnet18"}
"""What `auto` means without and with an accelerator."""


def surrogate_name(name: str, run: Run) -> str:
    """The model that `auto` stands for on this device; any other name is itself."""
    return DEFAULT_SURROGATE[run.on_gpu] if name == "auto" else name


def noise_shape(images: ImageSet, form: Form) -> tuple[int, int, int, int]:
    """(rows, C, H, W) of a noise: a row an image, or a row a class."""
    rows = len(images) if form == "sample-wise" else len(images.classes)
    return (rows, images.channels, *images.size)


@dataclass
class Search:
    """Noise under construction, on the device.

    Attributes:
        images: uint8 (N, C, H, W).
        labels: (N,).
        delta: levels (N, C, H, W), or (K, C, H, W) class-wise; float16 is finer than 1/64 level
            within any usual budget.
        form: whether a row of delta belongs to an image or to a class.
        epsilon: bound of delta in levels.
        rows: the images that sweeps work on and errors are judged on, (n,).
        image_steps: signed steps taken so far, over all images.
        trained: images that the surrogate was trained on so far, each time counted.
    """

    images: Tensor
    labels: Tensor
    delta: Tensor
    form: Form
    epsilon: float
    run: Run
    rows: Tensor
    image_steps: int = 0
    trained: int = 0
    undecided: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.undecided = self.rows

    @classmethod
    def begin(
        cls, images: ImageSet, form: Form, epsilon: float, run: Run, *, start: str, share: float = 1
    ) -> Search:
        """Put the images on the device, with zero or uniform random noise.

        Args:
            images: what to protect.
            form: of the noise.
            epsilon: in levels.
            run: device and seed.
            start: "zero" or "random".
            share: the part of each class that sweeps work on.
        """
        shape = noise_shape(images, form)
        delta = torch.zeros(shape, dtype=torch.float16).to(memory_format=torch.channels_last)
        if start == "random":
            draws = run.rng("start").uniform(-epsilon, epsilon, shape)
            delta.copy_(torch.from_numpy(draws))
        rows = stratified(images.labels, share, run.rng("subset"))
        return cls(
            images=run.upload(images.images),
            labels=torch.from_numpy(images.labels).to(run.device),
            delta=delta.to(run.device),
            form=form,
            epsilon=epsilon,
            run=run,
            rows=torch.from_numpy(rows).to(run.device),
        )

    @property
    def whole(self) -> bool:
        """Whether sweeps work on every image."""
        return len(self.rows) == len(self.images)

    @property
    def noisy(self) -> Tensor:
        """The rows of the images that have noise so far; a class-wise one is on all."""
        if self.form == "sample-wise":
            return self.rows
        return torch.arange(len(self.images), device=self.rows.device)

    def widen(self) -> None:
        """Let sweeps work on every image from here on."""
        self.rows = torch.arange(len(self.images), device=self.rows.device)

    def batch(self, rows: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Images with their noise as they would be published, in [0, 1]."""
        index = rows if self.form == "sample-wise" else self.labels[rows]
        return seen(self.images[rows], self.delta[index], dtype)

    def sweep(
        self,
        model: nn.Module,
        *,
        size: float,
        steps: int,
        batch_size: int,
        leave: float | None = None,
        view: View = lambda x: x,
        tell: Callable[[float], None] = lambda done: None,
    ) -> None:
        """One improvement of the whole noise against a frozen model; sizes in levels.

        A negative `size` maximises the error. The model sees the images through `view`, which
        may draw anew at each step. `leave`: see `pgd.sweep`.
        """

        def objective(x: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(model(view(x)).float(), labels, reduction="none")

        if self.form == "class-wise":
            self._sweep_classes(objective, size=size, steps=steps, batch_size=batch_size)
            return
        swept = sweep(
            lambda x, rows: objective(x, self.labels[rows]),
            self.images,
            self.delta,
            epsilon=self.epsilon,
            size=size,
            steps=steps,
            batch_size=batch_size,
            dtype=self.run.dtype,
            rows=self.rows,
            leave=leave,
            tell=tell,
        )
        self.image_steps += swept.image_steps
        self.undecided = swept.rows

    def _sweep_classes(
        self, objective: Objective, *, size: float, steps: int, batch_size: int
    ) -> None:
        """Each batch moves the noise of its classes to the mean of what its images ask for."""
        order = torch.randperm(
            len(self.rows),
            generator=self.run.generator("classes", self.image_steps),
            device=self.rows.device,
        )
        for batch in torch.split(self.rows[order], batch_size):
            labels = self.labels[batch]
            wanted = self.delta[labels].float()

            def of_these(x: Tensor, rows: Tensor, labels: Tensor = labels) -> Tensor:
                return objective(x, labels[rows])

            self.image_steps += sweep(
                of_these,
                self.images[batch],
                wanted,
                epsilon=self.epsilon,
                size=size,
                steps=steps,
                batch_size=len(batch),
                dtype=self.run.dtype,
            ).image_steps
            sums = torch.zeros(self.delta.shape, device=wanted.device)
            sums.index_add_(0, labels, wanted)
            counts = torch.bincount(labels, minlength=len(self.delta))
            present = counts > 0
            mean = sums[present] / counts[present].view(-1, 1, 1, 1)
            self.delta[present] = mean.to(self.delta.dtype)

    @torch.no_grad()
    def error(self, model: nn.Module) -> float:
        """The share of images, with their noise, that a frozen model gets wrong.

        Images that left the last sweep had converged on their own label and are not asked again.
        """
        wrong = 0
        for batch in torch.split(self.undecided, ERROR_BATCH):
            found = model(self.batch(batch, self.run.dtype)).argmax(1)
            wrong += int((found != self.labels[batch]).sum())
        return wrong / len(self.rows)

    def work(self) -> dict[str, int]:
        """What was done so far, in numbers that no clock and no busy machine can change."""
        return {"image_steps": self.image_steps, "trained": self.trained}

    def save(
        self, checkpoint: Checkpoint, errors: list[float], learner: Learner | None = None
    ) -> None:
        """Keep the noise, the errors of the rounds so far and, if it goes on, the surrogate."""
        where = {"errors": errors, "whole": self.whole, **self.work()}
        weights = {} if learner is None else learner.state()
        checkpoint.save({"delta": self.delta, **weights}, where)

    def resume(self, checkpoint: Checkpoint, learner: Learner | None = None) -> list[float]:
        """Bring back what `save` kept; gives the errors of the rounds that are done."""
        saved = checkpoint.load()
        if saved is None:
            return []
        tensors, where = saved
        self.delta.copy_(tensors.pop("delta"))
        self.image_steps, self.trained = where["image_steps"], where["trained"]
        if where["whole"]:
            self.widen()
        if learner is not None:
            learner.restore(tensors)
        return list(where["errors"])

    def write(self, out: NDArray[np.float32]) -> None:
        """Copy the noise, in float levels, to where it is wanted."""
        for first in range(0, len(self.delta), ERROR_BATCH):
            rows = slice(first, first + ERROR_BATCH)
            out[rows] = self.delta[rows].float().cpu().numpy()


def stratified(
    labels: NDArray[np.int64], share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Sorted rows that hold this share of each class, and at least one image of it."""
    if share >= 1:
        return np.arange(len(labels))
    chosen = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        chosen.append(rng.permutation(rows)[: max(1, round(share * len(rows)))])
    return np.sort(np.concatenate(chosen))
