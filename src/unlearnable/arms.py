"""The arms of an audit: what its models are trained on.

`clean`, `protected`, and `random`: noise of equal budget. `mix:0.2` has a fifth of the images
protected (`mix:0.2:classes`: a fifth of the classes); `part:0.2` is its clean part alone, trained
for as many steps, which says what the protected images added (Huang et al., ICLR 2021, table 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError, unknown
from unlearnable.noise import Budget, seal
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule

Kind = Literal["clean", "protected", "random", "mix", "part"]
Unit = Literal["images", "classes"]
KINDS: tuple[Kind, ...] = get_args(Kind)
USUAL = ("clean", "protected", "random")


@dataclass(frozen=True)
class Arm:
    """One arm; `share` and `by` say how much of a mix is protected."""

    kind: Kind
    share: float = 1.0
    by: Unit = "images"

    @property
    def name(self) -> str:
        """As in `mix:0.2:classes`."""
        if self.kind not in ("mix", "part"):
            return self.kind
        return f"{self.kind}:{self.share:g}" + (":classes" if self.by == "classes" else "")

    @property
    def defended(self) -> bool:
        """Whether countermeasures are tried on it."""
        return self.kind in ("clean", "protected")

    @property
    def protected(self) -> bool:
        """Whether it holds protected images."""
        return self.kind in ("protected", "mix")

    def schedule(self, usual: Schedule) -> Schedule:
        """The usual one; a part alone has fewer batches, and as many more epochs."""
        if self.kind != "part":
            return usual
        return replace(usual, epochs=round(usual.epochs / (1 - self.share)))

    def images(self, clean: ImageSet, published: ImageSet, budget: Budget, run: Run) -> ImageSet:
        """The training images; the seed of `run` draws the noise, or the mix."""
        if self.kind == "clean":
            return clean
        if self.kind == "protected":
            return published
        if self.kind == "random":
            return with_random_noise(clean, budget, run)
        chosen = self._chosen(clean.labels, len(clean.classes), run)
        if self.kind == "part":
            return clean.take(np.flatnonzero(~chosen))
        mixed = np.where(chosen[:, None, None, None], published.images, clean.images)
        return replace(clean, images=mixed)

    def _chosen(self, labels: NDArray[np.int64], classes: int, run: Run) -> NDArray[np.bool_]:
        """Which images are protected, (N,): a share of each class, or some classes whole."""
        rng = run.rng("mix", self.share, self.by)
        if self.by == "classes":
            whole = rng.permutation(classes)[: max(1, round(self.share * classes))]
            return np.isin(labels, whole)
        chosen = np.zeros(len(labels), dtype=bool)
        for label in range(classes):
            rows = rng.permutation(np.flatnonzero(labels == label))
            chosen[rows[: round(self.share * len(rows))]] = True
        return chosen


def make_arms(texts: Sequence[str]) -> list[Arm]:
    """Arms by their names, each once; a mix brings its part along.

    Raises:
        SettingError: an unknown arm, or a share that is none.

    Example:
        >>> [arm.name for arm in make_arms(["clean", "mix:0.2"])]
        ['clean', 'mix:0.2', 'part:0.2']
    """
    arms = []
    for text in texts:
        arm = _arm(text)
        arms += [arm, replace(arm, kind="part")] if arm.kind == "mix" else [arm]
    return list(dict.fromkeys(arms))


def _arm(text: str) -> Arm:
    name, *rest = text.split(":")
    kinds = {kind: kind for kind in KINDS}
    if name not in kinds:
        raise unknown("arm", text, [*USUAL, "mix:SHARE"])
    kind = kinds[name]
    if kind not in ("mix", "part"):
        if rest:
            raise SettingError(f"arm {text!r}: {name} takes no share.")
        return Arm(kind)
    share, by = _share(rest[0]) if rest else None, rest[1:] or ["images"]
    if share is None or by not in (["images"], ["classes"]):
        raise SettingError(
            f"arm {text!r}: write the protected share between 0 and 1, as in {name}:0.2 or "
            f"{name}:0.2:classes."
        )
    return Arm(kind, share, "classes" if by == ["classes"] else "images")


def _share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    return share if 0 < share < 1 else None


def with_random_noise(images: ImageSet, budget: Budget, run: Run) -> ImageSet:
    """The same images with random noise of equal budget, drawn anew for each.

    Raises:
        SettingError: there is no budget.
    """
    rng = run.rng("random arm")
    shape = (1, images.channels, *images.size)
    noisy = np.empty_like(images.images)
    for row, image in enumerate(images.images):
        noise = seal(budget.drawn(shape, rng), form="sample-wise", budget=budget)
        noisy[row] = noise.add_to(image, 0)
    return replace(images, images=noisy)
