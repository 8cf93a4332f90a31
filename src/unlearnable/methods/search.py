"""What every search against a surrogate shares: the images, the noise so far, sweeps and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearnable.checkpoint import Checkpoint
from unlearnable.data.imageset import ImageSet
from unlearnable.learner import Learner
from unlearnable.masking import texture
from unlearnable.methods.calibration import USUAL_BATCH, usual_batch
from unlearnable.methods.layout import Layout, stratified
from unlearnable.methods.patch import corners, cut, pasted, window
from unlearnable.methods.views import View, as_it_is, read_by
from unlearnable.noise import Budget
from unlearnable.pgd import BALLS, Objective, seen, sweep
from unlearnable.runtime import Run

ERROR_BATCH = 500
FEWEST = 50  # images that say what a noise of a class is to be, where the class has so many


@dataclass
class Search:
    """Noise under construction, on the device.

    Attributes:
        images: uint8 (N, C, H, W).
        labels: (N,).
        delta: levels, a row for each noise: (N, C, H, W) if each image has its own, otherwise one
            or more for each class, each as large as the patch; float16 is finer than 1/64 level
            within any usual budget.
        index: the row of delta that each image takes, (N,).
        layout: which noise goes where.
        budget: of each noise.
        texture: the share of the budget that each pixel may use, (N, 1, H, W); None: all of it.
        rows: the images that sweeps work on and errors are judged on, (n,).
        protected: the images that are to have noise, sorted, (P,); the others are published as
            they are, and the surrogate learns from them too.
        image_steps: signed steps taken so far, over all images.
        trained: images that the surrogate was trained on so far, each time counted.
        aims: the class that each image is to be taken for, (N,): its own, if nobody says otherwise.
        known: whether the surrogate told the protected images from the others before any sweep.
    """

    images: Tensor
    labels: Tensor
    delta: Tensor
    index: Tensor
    layout: Layout
    budget: Budget
    texture: Tensor | None
    run: Run
    rows: Tensor
    protected: Tensor
    image_steps: int = 0
    trained: int = 0
    known: bool = False
    undecided: Tensor = field(init=False)
    aims: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.undecided = self.rows
        self.aims = self.labels

    @classmethod
    def begin(
        cls,
        images: ImageSet,
        layout: Layout,
        budget: Budget,
        run: Run,
        *,
        start: str = "zero",
        share: float = 1,
        chosen: NDArray[np.bool_] | None = None,
    ) -> Search:
        """Put the images on the device, with zero or uniform random noise.

        Args:
            images: what to protect.
            layout: which noise goes where.
            budget: L∞, or L2 if each image has its own noise.
            run: device and seed.
            start: "zero" or "random".
            share: the part of each class that sweeps work on.
            chosen: which images are to be protected, (N,); None: all.

        Raises:
            SettingError: the patch is larger than the images.
        """
        chosen = np.ones(len(images), np.bool_) if chosen is None else chosen
        shape = layout.shape(images)
        delta = torch.zeros(shape, dtype=torch.float16).to(memory_format=torch.channels_last)
        if start == "random":
            draws = budget.drawn(shape, run.rng("start"))
            delta.copy_(torch.from_numpy(draws))
        index = layout.index(images, run.rng("shared"))
        if layout.shared:  # one more row, which stays empty, for those that get none
            delta = torch.cat([delta, torch.zeros_like(delta[:1])])
            index[~chosen] = len(delta) - 1
        else:
            delta[torch.from_numpy(~chosen)] = 0
        search = cls(
            images=run.upload(images.images),
            labels=torch.from_numpy(images.labels).to(run.device),
            delta=delta.to(run.device),
            index=torch.from_numpy(index).to(run.device),
            layout=layout,
            budget=budget,
            texture=_texture(images, run) if budget.masked else None,
            run=run,
            rows=_rows(
                stratified(
                    images.labels,
                    share,
                    run.rng("subset"),
                    chosen,
                    least=FEWEST if layout.shared else 1,
                ),
                run,
            ),
            protected=_rows(np.flatnonzero(chosen), run),
        )
        if search.confined and not layout.shared:
            search.delta *= search._room(torch.arange(len(images), device=run.device))
        return search

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        return self.images.shape[2], self.images.shape[3]

    @property
    def usual_batch(self) -> int:
        """Images to an input gradient; a shared noise moves once a batch, so that is no larger."""
        return USUAL_BATCH if self.layout.shared else usual_batch(self.run, self.size)

    @property
    def epsilon(self) -> float:
        """Bound of the noise, in levels."""
        return self.budget.size

    @property
    def confined(self) -> bool:
        """Whether some pixels have less than the whole budget."""
        return self.layout.patch is not None or self.texture is not None

    @property
    def whole(self) -> bool:
        """Whether sweeps work on every image that is to be protected."""
        return len(self.rows) == len(self.protected)

    @property
    def trainable(self) -> Tensor:
        """The images that are as they will be published, so far; a shared noise is on all."""
        everything = torch.ones(len(self.images), dtype=torch.bool, device=self.rows.device)
        if not self.layout.shared:
            everything[self.protected] = False
            everything[self.rows] = True
        return everything.nonzero().flatten()

    def widen(self) -> None:
        """Let sweeps work on every image that is to be protected, from here on."""
        self.rows = self.protected

    def batch(
        self, rows: Tensor, dtype: torch.dtype = torch.float32, *, bare: bool = False
    ) -> Tensor:
        """Images with their noise as they would be published, or bare without it, in [0, 1]."""
        if bare:
            return seen(self.images[rows], torch.zeros(()), dtype)
        noise = self.delta[self.index[rows]]
        if self.layout.patch and self.layout.shared:
            noise = pasted(noise, self._places(rows), self.size)
        if self.texture is not None and self.layout.shared:
            noise = noise * self.texture[rows]
        return seen(self.images[rows], noise, dtype)

    def _places(self, rows: Tensor, *purpose: object) -> Tensor:
        """Where the patches of some images are: for good if each has its own, else for this use."""
        layout = self.layout
        assert layout.patch is not None
        if layout.shared:
            purpose = purpose or ("use", self.image_steps, self.trained)
            generator = self.run.generator("places", *purpose)
            return corners(len(rows), layout.patch, self.size, layout.place, generator)
        generator = self.run.generator("places")
        return corners(len(self.images), layout.patch, self.size, layout.place, generator)[rows]

    def _room(self, rows: Tensor, places: Tensor | None = None) -> Tensor:
        """The share of the budget that each pixel of some images may use, (n, 1, H, W)."""
        everywhere = torch.ones((), device=self.delta.device)
        textured = everywhere if self.texture is None else self.texture[rows].float()
        if not self.layout.patch:
            return textured
        places = self._places(rows) if places is None else places
        return textured * window(places, self.layout.patch, self.size)

    def sweep(
        self,
        objective: Objective,
        *,
        size: float,
        steps: int,
        batch_size: int,
        leave: float | None = None,
        moves: int = 1,
        tell: Callable[[float], None] = lambda done: None,
    ) -> None:
        """One improvement of the whole noise; sizes in levels.

        Args:
            objective: from images in [0, 1] and the classes that they are to be taken for to their
                losses, such as `read_by` makes.
            size: length of a step; a negative one maximises the loss.
            steps: the most steps an image takes.
            batch_size: images to a gradient.
            leave: see `pgd.sweep`.
            moves: a shared noise moves once a batch; if there are fewer, the sweep is repeated.
            tell: called with the share of the sweep that is done.
        """
        if self.layout.shared:
            batches = -(-len(self.rows) // batch_size)
            for _ in range(-(-moves // batches)):
                self._sweep_shared(objective, size=size, steps=steps, batch_size=batch_size)
            return
        swept = sweep(
            lambda x, rows: objective(x, self.aims[rows]),
            self.images,
            self.delta,
            epsilon=self.epsilon,
            size=size,
            steps=steps,
            batch_size=batch_size,
            dtype=self.run.dtype,
            ball=BALLS[self.budget.norm],
            rows=self.rows,
            leave=leave,
            room=self._room if self.confined else None,
            tell=tell,
        )
        self.image_steps += swept.image_steps
        self.undecided = swept.rows

    def _sweep_shared(
        self, objective: Objective, *, size: float, steps: int, batch_size: int
    ) -> None:
        """Each batch moves each noise to the mean of what the images that share it ask for."""
        order = torch.randperm(
            len(self.rows),
            generator=self.run.generator("classes", self.image_steps),
            device=self.rows.device,
        )
        side = self.layout.patch
        for batch in torch.split(self.rows[order], batch_size):
            aims, index = self.aims[batch], self.index[batch]
            wanted = self.delta[index].float()
            places = self._places(batch) if side else None
            if places is not None:
                wanted = pasted(wanted, places, self.size)
            shares = self._room(batch, places).expand(len(batch), 1, *self.size)
            wanted *= shares

            def of_these(x: Tensor, rows: Tensor, aims: Tensor = aims) -> Tensor:
                return objective(x, aims[rows])

            self.image_steps += sweep(
                of_these,
                self.images[batch],
                wanted,
                epsilon=self.epsilon,
                size=size,
                steps=steps,
                batch_size=len(batch),
                dtype=self.run.dtype,
                room=shares.__getitem__,
            ).image_steps
            if side and places is not None:
                wanted, shares = cut(wanted, places, side), cut(shares, places, side)
            sums = torch.zeros(self.delta.shape, device=wanted.device)
            sums.index_add_(0, index, wanted)
            weights = torch.zeros_like(sums[:, :1])
            weights.index_add_(0, index, shares)
            present = torch.bincount(index, minlength=len(self.delta)) > 0
            mean = sums[present] / weights[present]
            self.delta[present] = mean.to(self.delta.dtype)

    @torch.no_grad()
    def error(self, model: nn.Module, view: View = as_it_is) -> float:
        """The share of images, with their noise and through `view`, taken for another than the aim.

        Images that left the last sweep had converged on their own label and are not asked again.
        """
        found = self._found(model, self.undecided, view)
        return int((found != self.aims[self.undecided]).sum()) / len(self.rows)

    @torch.no_grad()
    def losses(self, model: nn.Module, bare: bool = False) -> Tensor:
        """A frozen model's loss on each protected image, (P,), with its noise or without it."""
        objective, found = read_by(model), []
        for rows in torch.split(self.protected, ERROR_BATCH):
            x = self.batch(rows, self.run.dtype, bare=bare)
            found.append(objective(x, self.aims[rows]))
        return torch.cat(found)

    @torch.no_grad()
    def bare(self, model: nn.Module) -> float:
        """The share of the protected images that a frozen model knows without their noise."""
        found = self._found(model, self.protected, bare=True)
        return int((found == self.labels[self.protected]).sum()) / len(self.protected)

    @torch.no_grad()
    def confused(self, model: nn.Module) -> float:
        """The share of the unprotected images that a frozen model takes for a protected class."""
        others = torch.ones(len(self.images), dtype=torch.bool, device=self.rows.device)
        others[self.protected] = False
        found = self._found(model, others.nonzero().flatten())
        taken = torch.isin(found, self.labels[self.protected])
        return int(taken.sum()) / max(1, len(found))

    def _found(
        self, model: nn.Module, rows: Tensor, view: View = as_it_is, *, bare: bool = False
    ) -> Tensor:
        """The classes that a frozen model takes some images for; does not wait for the device."""
        batches = torch.split(rows, ERROR_BATCH)  # of no rows: one, of none
        shown = (view(self.batch(batch, self.run.dtype, bare=bare)) for batch in batches)
        return torch.cat([model(x).argmax(1) for x in shown])

    def work(self) -> dict[str, int]:
        """What was done so far, in numbers that no clock and no busy machine can change."""
        return {"image_steps": self.image_steps, "trained": self.trained}

    def checkpoint(self, settings: Mapping[str, Any], job: str = "search") -> Checkpoint:
        """Where it keeps what it needs to go on under these settings of a method."""
        run = self.run
        here = {**asdict(self.budget), "seed": run.seed, "precision": run.precision}
        return Checkpoint(run.state, job, {**settings, **here})

    def save(
        self, checkpoint: Checkpoint, errors: list[float], learner: Learner | None = None
    ) -> None:
        """Keep the noise, the errors of the rounds so far and, if it goes on, the surrogate."""
        where = {"errors": errors, "whole": self.whole, "known": self.known, **self.work()}
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
        self.known = where["known"]
        if where["whole"]:
            self.widen()
        if learner is not None:
            learner.restore(tensors)
        return list(where["errors"])

    def write(self, out: NDArray[np.float32]) -> None:
        """Copy the noise, in float levels, to where it is wanted: a row an image, or a class."""
        for first in range(0, len(out), ERROR_BATCH):
            rows = torch.arange(first, min(first + ERROR_BATCH, len(out)), device=self.delta.device)
            noise = self.delta[rows if self.layout.form == "class-wise" else self.index[rows]]
            if self.layout.patch and self.layout.shared:
                noise = pasted(noise, self._places(rows, "published", first), self.size)
            if self.texture is not None and not self.layout.shared:
                noise = noise / self.texture[rows]  # which it gets again where it is published
            out[first : first + ERROR_BATCH] = noise.float().cpu().numpy()


def _texture(images: ImageSet, run: Run) -> Tensor:
    """What a masked budget leaves each pixel, (N, 1, H, W)."""
    shares = np.stack([texture(image, images.size) for image in images.images])
    return torch.from_numpy(shares[:, None]).half().to(run.device)


def _rows(rows: NDArray[np.int64], run: Run) -> Tensor:
    return torch.from_numpy(rows).to(run.device)
