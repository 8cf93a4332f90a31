"""What an experiment is made of: images, noises, trainings, and the entries of a table.

Nothing here computes anything: these are the names of what is to be computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from unlearnable.errors import unknown
from unlearnable.schedules import Schedule
from unlearnable.storage import sha256_json

Measure = Literal["accuracy", "verification", "pixels"]
Provenance = Literal["P", "C", "L", "2nd"]
PROVENANCE: dict[Provenance, str] = {
    "P": "the paper's own table or figure",
    "C": "the authors' code",
    "L": "a later paper or leaderboard",
    "2nd": "quoted by others",
}


@dataclass(frozen=True)
class Published:
    """A published figure, in per cent unless the entry says otherwise, and where it is from."""

    value: float
    by: Provenance = "P"

    @classmethod
    def known(cls, value: float | None) -> Published | None:
        """A figure of the paper's own, where it has one."""
        return None if value is None else cls(value)


@dataclass(frozen=True)
class Data:
    """A data set.

    Attributes:
        name: which.
        per_class: how many images of each training class are used, the first; None: all.
        kept: of a set without a test part, how many images of each class are kept to test with.
        size: working size in pixels; None: the images' own.
        plus: classes of other data sets that are added: which set, which class, how many images.
    """

    name: str
    per_class: int | None = None
    kept: int | None = None
    size: int | None = None
    plus: tuple[tuple[str, str, int], ...] = ()

    @property
    def label(self) -> str:
        """Its name with what is unusual, as in `cifar10:1000`."""
        few = f":{self.per_class}" if self.per_class else ""
        kept = f", {self.kept} kept" if self.kept else ""
        more = "".join(f" + {name} {one}:{count}" for name, one, count in self.plus)
        size = f", {self.size} px" if self.size else ""
        return f"{self.name}{few}{kept}{size}{more}"


@dataclass(frozen=True)
class NoiseSpec:
    """What images are protected with: what `protect` is given.

    Attributes:
        method, settings, seed, rate, classes: as of `protect`; `#3` is the third class.
        epsilon: of the norm that the method was published with; None: as published.
        found_on: other images that class-wise noise is found on; it is then put on these.
    """

    method: str = "em"
    settings: tuple[tuple[str, str], ...] = ()
    epsilon: float | None = 8
    seed: int = 0
    rate: float = 1.0
    classes: tuple[str, ...] = ()
    found_on: Data | None = None

    @classmethod
    def of(
        cls,
        method: str = "em",
        settings: Mapping[str, object] | None = None,
        *,
        epsilon: float | None = 8,
        classes: tuple[str, ...] = (),
        found_on: Data | None = None,
    ) -> NoiseSpec:
        """A noise by its method and settings.

        Example:
            >>> NoiseSpec.of("em", {"form": "class-wise"}).settings
            (('form', 'class-wise'),)
        """
        settings = settings or {}
        texts = tuple((key, str(value)) for key, value in settings.items())
        return cls(method, texts, epsilon, classes=classes, found_on=found_on)


@dataclass(frozen=True)
class Trial:
    """One training of one model.

    Attributes:
        data: the images; their test part is what the model is tested on.
        model: the target model.
        schedule: how it is trained.
        noise: what its images are protected with, if they are.
        arm: what it is trained on: see `arms.py`.
        countermeasure: what its trainer does besides.
        seed: of the training, and of the noise.
        verifies: whether its embeddings are asked which test images are of one class.
    """

    data: Data
    model: str
    schedule: Schedule
    noise: NoiseSpec | None = None
    arm: str = "clean"
    countermeasure: str = "none"
    seed: int = 0
    verifies: bool = False

    @property
    def id(self) -> str:
        """A name that changes with any setting."""
        return sha256_json({**asdict(self), "schedule": self.schedule.settings()})[:16]

    @property
    def about(self) -> str:
        """What it is, in one line."""
        noise = f" {self.noise.method}" if self.noise else ""
        besides = f" {self.countermeasure}" if self.countermeasure != "none" else ""
        return f"{self.data.label} {self.arm}{noise}{besides} {self.model} seed {self.seed}"

    def on(self, noise: NoiseSpec, arm: str = "protected", countermeasure: str = "none") -> Trial:
        """The same training on images with a noise, or on a mix with them."""
        return replace(self, noise=noise, arm=arm, countermeasure=countermeasure)

    def seeded(self, seed: int) -> Trial:
        """The same with another seed, its noise included."""
        noise = replace(self.noise, seed=seed) if self.noise else None
        return replace(self, seed=seed, noise=noise)


@dataclass(frozen=True)
class Entry:
    """One figure of a table: as a rule clean test accuracy, over the seeds, beside the published.

    Attributes:
        row, column: where it stands.
        trial: what is trained, for each of the seeds.
        classes: the classes that the accuracy is about, `#3` the third; all if there are none.
        published: the paper's figure, if it has one.
        measure: what is measured; the others are areas under a ROC curve, of a model's embeddings
            and of the pixels themselves.
    """

    row: str
    column: str
    trial: Trial
    seeds: tuple[int, ...] = (0,)
    classes: tuple[str, ...] = ()
    published: Published | None = None
    measure: Measure = "accuracy"

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trainings that it is the mean of."""
        return tuple(self.trial.seeded(seed) for seed in self.seeds)


@dataclass(frozen=True)
class Figure:
    """What was measured for an entry: accuracy in 0..1 over so many seeds."""

    mean: float
    spread: float | None
    n: int
    chance: float


Figures = Mapping[tuple[str, str], Figure]
"""By row and column; a figure that was not measured is not in it."""


@dataclass(frozen=True)
class Finding:
    """What the paper found, and whether our figures say so too.

    Attributes:
        says: the finding, a sentence.
        holds: from the figures to whether they agree; a `KeyError` says that some are missing.
    """

    says: str
    holds: Callable[[Figures], bool]

    def verdict(self, figures: Figures) -> bool | None:
        """Whether it holds; None if it was not measured."""
        try:
            return self.holds(figures)
        except KeyError:
            return None


@dataclass(frozen=True)
class Recipe:
    """A table or figure of the paper.

    Attributes:
        title: what it is called there.
        about: what it shows, in a sentence.
        entries: its figures, in the order of the table.
        findings: what they must show.
        cuts: what is smaller than published at this scale, and why that may matter.
        curves: whether its figure shows learning curves.
        confusions: whether it shows confusion matrices.
        ranked: whether its rows are ranked by their worst column, and shown as a heat map.
    """

    title: str
    about: str
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...] = ()
    cuts: tuple[str, ...] = ()
    curves: bool = False
    confusions: bool = False
    ranked: bool = False

    def trials(self) -> Iterator[Trial]:
        """What is to be trained, each once; the first seed of all entries comes first."""
        most = max(len(entry.seeds) for entry in self.entries)
        ordered = [
            entry.trials[place]
            for place in range(most)
            for entry in self.entries
            if place < len(entry.seeds)
        ]
        yield from dict.fromkeys(ordered)

    def only(self, rows: tuple[str, ...]) -> Recipe:
        """The same with some of its rows alone; all if none are named.

        Raises:
            SettingError: there is no such row.
        """
        known = tuple(dict.fromkeys(entry.row for entry in self.entries))
        for row in rows:
            if row not in known:
                raise unknown("row", row, known)
        return replace(self, entries=tuple(e for e in self.entries if not rows or e.row in rows))


def named(classes: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Classes by name, where `#3` stands for the third that there is.

    Example:
        >>> named(("#2", "dog"), ("cat", "cow", "dog"))
        ('cow', 'dog')
    """
    return tuple(known[int(one[1:]) - 1] if one.startswith("#") else one for one in classes)


def learnability(figure: Figure, clean: Figure) -> float:
    """What was learnt above chance, against the clean arm: 0 nothing, 1 all."""
    return (figure.mean - figure.chance) / (clean.mean - clean.chance)
