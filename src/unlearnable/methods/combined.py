"""Several noises in one: each keeps its own budget.

Wu et al., "One-Pixel Shortcut", ICLR 2023, put their shortcuts and error-minimizing noise together:
what undoes one of them leaves the other (CIFAR-10-S, here `ops+em`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.noise import Budget, Form, Norm
from unlearnable.runtime import Run
from unlearnable.storage import private_folder

if TYPE_CHECKING:
    from unlearnable.methods import Method


@dataclass(frozen=True)
class Combined:
    """Noises found each for itself, within a budget of its own, and added up.

    Where one of L0 changes a pixel, the others leave it alone. The whole has no norm of its own.

    Attributes:
        form: of all.
        names: of the methods.
        parts: the methods.
        budgets: what each part is brought to.
    """

    published: ClassVar[Budget] = Budget("none")
    norms: ClassVar[tuple[Norm, ...]] = ("none",)
    source: ClassVar[str] = "Wu et al., ICLR 2023"

    form: Form
    names: tuple[str, ...]
    parts: tuple[Method, ...]
    budgets: tuple[Budget, ...]

    def passes(self, count: int, share: float = 1) -> float:
        """Those of all parts."""
        return sum(part.passes(count, share) for part in self.parts)

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Find each noise for `images`, and add them up; levels go to `out`.

        Returns:
            Of each part its name, its budget, and what it found worth remembering; and whether the
            surrogate of one knew the protected images before there was any noise.
        """
        out[:] = 0
        levels, taken = np.empty_like(out), np.zeros((len(out), 1, *out.shape[2:]), np.bool_)
        facts = []
        for name, part, own in zip(self.names, self.parts, self.budgets, strict=True):
            state = private_folder(run.state / name) if run.state else None
            levels[:] = 0
            found = part(images, own, run=replace(run, state=state), out=levels, chosen=chosen)
            for row, level in enumerate(levels):
                whole = own.project(level[None])[0]
                if own.norm == "l0":
                    pixels = (whole != 0).any(0, keepdims=True) & ~taken[row]
                    taken[row] |= pixels
                    out[row] = np.where(pixels, whole, out[row])
                else:
                    out[row] += np.where(taken[row], 0, whole)
            facts.append({"method": name, "budget": asdict(own), **found})
        return {"parts": facts, "known": any(fact.get("known") for fact in facts)}
