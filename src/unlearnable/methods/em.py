"""Error-minimizing noise: Huang et al., "Unlearnable Examples: Making Personal Data Unexploitable".

ICLR 2021, arXiv 2101.04898. The min-min problem

    min over θ of the mean over images of  min over |δ| ≤ ε of  loss(f(x + δ; θ), y)

is solved by turns: a few SGD batches on the surrogate θ with the noise so far, then one sweep of
signed steps on the noise of every image, until the surrogate gets at most a share λ of them wrong.

Ours reaches the same end with fewer steps: the two take turns on a subset of the images, and only
when the surrogate reads the noise there do the other images get theirs. It is stronger too: what
one finished surrogate asks of all images is more alike from image to image than what a surrogate
asked of them while it changed.

They get it from a second surrogate, begun anew and trained on the noise of the subset. The first
was trained on images that had none yet, and still goes by these as well: of clean images it knows
two to four in ten, the more the wider it is, and what it asks for is noise to go with the picture.
The second finds nothing easier to learn than the noise, and asks for more of the same.

Our surrogate is trained on images moved by up to a pixel; few of them, in smaller batches. One
that never sees them moved may settle on stripes a pixel wide, which random crops wipe out. It
learns at half of the published rate: at the whole of it, what it reads in one round it may have
lost in the next. And what its batch norm remembers follows faster: at the usual momentum a third of
that is, after the ten batches of a round, still what a new network begins with, and frozen so it
takes all images for one class.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from unlearnable.augment import resolve
from unlearnable.data.imageset import ImageSet
from unlearnable.freezing import refrozen
from unlearnable.learner import Learner
from unlearnable.methods.layout import Layout
from unlearnable.methods.patch import Place
from unlearnable.methods.search import Search
from unlearnable.methods.surrogate import SURROGATE, surrogate_for
from unlearnable.methods.views import View, read_by, view_of
from unlearnable.methods.ways import ways_of
from unlearnable.noise import Budget, Form, Norm
from unlearnable.runtime import Run
from unlearnable.settings import check, fill, setting
from unlearnable.training import numbered

STEPS = {"step": 0.1, "leave": 0.0}
LONGER = {"step": 0.4, "leave": 0.005}
STEADY = {"augmentations": "crop:1", "learning_rate": 0.05, "norm_momentum": 0.5}
PUBLISHED = {
    **STEPS,
    "second": 0,
    "moves": 1,
    "augmentations": "",
    "batch_size": 512,
    "learning_rate": 0.1,
    "norm_momentum": 0.1,
}
PRESETS: dict[tuple[str, Form], dict[str, Any]] = {
    ("paper", "sample-wise"): {**PUBLISHED, "steps": 20, "subset": 1.0},
    ("paper", "class-wise"): {**PUBLISHED, "steps": 1, "subset": 0.2},
    ("fast", "sample-wise"): {
        **LONGER,
        **STEADY,
        "steps": 6,
        "subset": 0.25,
        "second": 40,
        "moves": 1,
    },
    ("fast", "class-wise"): {
        **STEPS,
        **STEADY,
        "steps": 1,
        "subset": 0.2,
        "second": 0,
        "moves": 5,
    },
}
"""What a setting left at None is, by preset and form. `paper` is the published search; `fast` takes
fewer and larger steps, and none on images that have converged."""

LARGEST_BATCH: dict[Form, int] = {"sample-wise": 512, "class-wise": 256}
MOST_PASSES = 2.5
"""How often a round trains on an image at most, unless the batch is set: a surrogate that has
learnt a small set by heart asks for noise that is of no use to others."""

CONFUSED = 0.1
"""The share of the others that a surrogate may take for the protected and still know these: one
that takes all for them has learnt nothing."""

JOINING = 2
"""How many times the usual steps an image may take in the round in which the others join: they
begin with none, and what one surrogate asks for is more alike than what two do."""

USUAL_ROUNDS = 7
"""How many rounds λ usually takes; for estimates of time alone."""


@dataclass(frozen=True)
class ErrorMinimizing:
    """Error-minimizing noise (Huang et al., ICLR 2021), published at ε 8 for small images.

    Cost: about 10 signed steps an image sample-wise (published: 80 to 100), 2 class-wise.

    Example:
        >>> ErrorMinimizing(preset="paper").steps
        20
    """

    published: ClassVar[Budget] = Budget("linf", 8)
    norms: ClassVar[tuple[Norm, ...]] = ("linf",)
    source: ClassVar[str] = "Huang et al., ICLR 2021"

    form: Form = setting("sample-wise", "a noise for each image, or one for each class")
    preset: Literal["fast", "paper"] = setting("fast", "what the settings are that you leave out")
    surrogate: str = setting(SURROGATE, "the model that it is found against")
    step: float | None = setting(None, "length of a signed step, in units of ε", above=0)
    steps: int | None = setting(None, "most steps an image takes in a round (T)", least=1)
    moves: int | None = setting(
        None, "least times that a shared noise is moved in a round, each batch once", least=1
    )
    leave: float | None = setting(
        None, "loss under which an image takes no step; 0: never", least=0
    )
    subset: float | None = setting(
        None,
        "share of a class that sweeps use, class-wise at least 50 images; sample-wise until λ is "
        "reached there, then all",
        above=0,
        most=1,
    )
    batches: int = setting(10, "SGD batches on the surrogate in a round (M)", least=1)
    second: int | None = setting(
        None,
        "SGD batches on a second surrogate, which takes over where λ is reached on the subset; "
        "0: the first goes on",
        least=0,
    )
    stop_error: float = setting(0.01, "surrogate error that ends the search (λ)", least=0, most=1)
    rounds: int = setting(30, "most rounds, if the error is not reached before", least=1)
    augmentations: str | None = setting(
        None, "what the surrogate is trained through, as in `crop:4 flip`"
    )
    sweep_augmentations: str = setting("", "what sweeps see images through, as well")
    survive: str = setting(
        "", "ways to a trainer that it is to survive, as in `jpeg:75 resize:0.5 crop gray`"
    )
    start: Literal["zero", "random"] = setting("zero", "the noise before the first round")
    shared: int = setting(
        0, "noises of a class that its images share, each image written with its own copy", least=0
    )
    patch: int | None = setting(None, "side of the square it is confined to, in pixels", least=1)
    place: Place = setting("centre", "of the patch: `centre` or `random`, drawn for each image")
    batch_size: int | None = setting(
        None, "images to an SGD batch; none: 512, class-wise 256, fewer of a small set", least=2
    )
    sweep_batch: int | None = setting(None, "images to an input gradient; none: measured", least=1)
    threads: int | None = setting(None, "of the processor; none: measured", least=1)
    learning_rate: float | None = setting(None, "of the surrogate's SGD", above=0)
    momentum: float = setting(0.9, "of the surrogate's SGD", least=0, most=1)
    norm_momentum: float | None = setting(
        None, "of the statistics that the surrogate's batch norm keeps", above=0, most=1
    )
    weight_decay: float = setting(5e-4, "of the surrogate's SGD", least=0)
    clip: float = setting(5.0, "largest norm of the surrogate's gradient", above=0)

    def __post_init__(self) -> None:
        check(self)
        fill(self, PRESETS[self.preset, self._searched_as])
        for names in (self.augmentations, self.sweep_augmentations):
            resolve((names or "").split())  # refuses what is no augmentation
        ways_of(self.survive.split())

    @property
    def layout(self) -> Layout:
        """Which noise goes where."""
        return Layout.of(self.form, self.shared, self.patch, self.place)

    @property
    def _searched_as(self) -> Form:
        """Whether sweeps are over images or over classes."""
        return "class-wise" if self.layout.shared else "sample-wise"

    def passes(self, count: int, share: float = 1) -> float:
        """Input-gradient passes for so many images, as a rule; a trained image counts as two."""
        assert self.steps and self.subset and self.second is not None
        steps = self.steps * (0.6 if self.leave else 1)
        rounds = USUAL_ROUNDS * steps * self.subset
        rest = steps if self._searched_as == "sample-wise" and self.subset < 1 else 0
        noisy = count * (self.subset if self._searched_as == "sample-wise" else 1)
        batches = USUAL_ROUNDS * self.batches + self.second
        trained = batches * self._batch_size(round(noisy))
        return (rounds + rest) * share * count + 2 * trained

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
            run: device, precision, seed; with `run.state` it goes on from the last round.
            out: (N, C, H, W) sample-wise, (K, C, H, W) class-wise.
            chosen: which images are to be protected, (N,); None: all. λ is judged on them alone.

        Returns:
            What is worth remembering: the surrogate, its error after each round, whether λ was
            reached, whether the surrogate knew the protected images before there was any noise, the
            share of them that it knows without their noise in the end (`bare`), and per protected
            image the signed steps and how often the surrogate trained.
        """
        search = Search.begin(
            images,
            self.layout,
            budget,
            run,
            start=self.start,
            share=self.subset or 1,
            chosen=chosen,
        )
        learner = self._learner(images, run, "surrogate")
        checkpoint = search.checkpoint(asdict(self))
        errors = search.resume(checkpoint, learner)
        with run.on_threads(self.threads):
            while len(errors) < self.rounds and not self._done(search, errors):
                if self.second and self._reached(errors):
                    learner = self._learner(images, run, "second surrogate")
                    self._train(search, learner, self.rounds * self.batches, self.second)
                self._round(search, learner, errors)
                search.save(checkpoint, errors, learner)
        search.write(out)
        protected = len(search.protected)
        return {
            "surrogate": self.surrogate,
            "errors": errors,
            "reached": self._done(search, errors),
            "known": search.known,
            "bare": round(search.bare(refrozen(learner.model, run.dtype)), 3),
            **{kind: round(count / protected, 2) for kind, count in search.work().items()},
        }

    def _learner(self, images: ImageSet, run: Run, purpose: str) -> Learner:
        """A surrogate that has seen nothing yet."""
        model = surrogate_for(
            images, self.surrogate, run.seeded(purpose), norm_momentum=self.norm_momentum
        )
        return Learner(
            model, run, momentum=self.momentum, weight_decay=self.weight_decay, clip=self.clip
        )

    def _reached(self, errors: list[float]) -> bool:
        return bool(errors) and errors[-1] <= self.stop_error

    def _done(self, search: Search, errors: list[float]) -> bool:
        """Whether λ is reached on all that it is judged on: of a shared noise, the subset."""
        return self._reached(errors) and bool(search.whole or search.layout.shared)

    def _round(self, search: Search, learner: Learner, errors: list[float]) -> None:
        """Equation 3 of the paper once: θ against the noise so far, then the noise against θ."""
        done = len(errors)
        reached = self._reached(errors)
        if not reached:
            self._train(search, learner, done * self.batches, self.batches)
        if not search.layout.shared and (reached or done + 1 == self.rounds):
            search.widen()  # if reached, untrained: the others have no noise yet to be learnt
        model = refrozen(learner.model, search.run.dtype)
        if not done:
            search.known = self._known(search, model, learner)

        def tell(share: float) -> None:
            figures = {"error": f"{errors[-1]:.1%}"} if errors else {}
            expected = min(self.rounds, max(USUAL_ROUNDS, done + 1))
            search.run.tell("search", (done + share) / expected, round=done + 1, **figures)

        assert self.step is not None and self.steps is not None and self.moves is not None
        search.sweep(
            read_by(model, self._view(self.sweep_augmentations, search.run, "sweep", done)),
            size=self.step * search.epsilon,
            steps=self.steps * (JOINING if reached else 1),
            batch_size=self.sweep_batch or search.usual_batch,
            leave=self.leave or None,
            moves=self.moves,
            tell=tell,
        )
        errors.append(search.error(model, self._view("", search.run, "error", done)))

    def _known(self, search: Search, model: nn.Module, learner: Learner) -> bool:
        """Whether a surrogate that has seen no noise tells the protected from all others.

        One that takes everything for them at first is given some more batches.
        """
        view = self._view("", search.run, "read")
        if search.error(model, view) > self.stop_error:
            return False
        if search.confused(model) <= CONFUSED:
            return True
        self._train(search, learner, self.rounds * self.batches, 3 * self.batches)
        model = refrozen(learner.model, search.run.dtype)
        return search.error(model, view) <= self.stop_error and search.confused(model) <= CONFUSED

    def _train(self, search: Search, learner: Learner, first: int, batches: int) -> None:
        """So many SGD batches; by their numbers the order goes on through epochs across rounds."""
        assert self.learning_rate is not None
        run, trainable = search.run, search.trainable
        numbers = range(first, first + batches)
        order = numbered(len(trainable), self._batch_size(len(trainable)), run, numbers)
        for number, places in zip(numbers, order, strict=True):
            rows = trainable[places]
            x = self._view(self.augmentations, run, "train", number)(search.batch(rows))
            learner.step(x, search.labels[rows], self.learning_rate)
            search.trained += len(rows)

    def _view(self, augmentations: str | None, run: Run, *purpose: object) -> View:
        return view_of(run, *purpose, augmentations=augmentations, survive=self.survive)

    def _batch_size(self, trainable: int) -> int:
        """Images to an SGD batch, where there are so many to train on."""
        if self.batch_size:
            return self.batch_size
        an_epoch = max(1, round(self.batches / MOST_PASSES))
        fair = math.ceil(trainable / an_epoch)  # no remainder: see `shuffled`
        return max(2, min(LARGEST_BATCH[self._searched_as], fair))
