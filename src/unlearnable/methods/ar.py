"""Autoregressive noise: Sandoval-Segura et al., "Autoregressive Perturbations for Data Poisoning".

NeurIPS 2022, arXiv 2206.03693. In each channel a pixel is a weighted sum of those before it in a
window of 3×3; the weights are a class's own, and a filter that undoes them answers with nothing to
that class's noise and with much to any other: a shortcut for the first layer of any network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.methods.free import WithoutSurrogate
from unlearnable.noise import Budget, Form, Norm
from unlearnable.runtime import Run
from unlearnable.settings import setting

WINDOW = 3
MARGIN = 4
"""Rows above and columns to the left in which a process runs itself in."""
CANDIDATES = 64  # processes that are tried at a time
TRIES = 200
CHUNK = 2048  # images whose noise is drawn at a time
SIDE = 32  # of the draws that decide whether a process is kept
LOUDEST = 50.0  # norm of the draws of a process that is kept
ENOUGH = 10.0  # what a filter must answer to a process of another class


@dataclass(frozen=True)
class Autoregressive(WithoutSurrogate):
    """Autoregressive noise (Sandoval-Segura et al., NeurIPS 2022), published at L2 1 of [0, 1].

    That is 255 in levels at 32×32; the paper has 3 at 96×96. Cost: seconds, and no surrogate.

    Example:
        >>> Autoregressive().published
        Budget(norm='l2', size=255, masked=False)
    """

    published: ClassVar[Budget] = Budget("l2", 255)
    norms: ClassVar[tuple[Norm, ...]] = ("linf", "l2")
    source: ClassVar[str] = "Sandoval-Segura et al., NeurIPS 2022"

    form: Form = setting("sample-wise", "a draw of its class's process for each image, or one")
    response: float = setting(
        ENOUGH, "what the filter of another class must answer; fewer for a hundred classes", least=0
    )

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Draw noise for `images`; float levels go to `out`.

        Returns:
            The weights of each class and channel, (K, C, 3, 3).

        Raises:
            SettingError: too few processes differ so much from each other.
        """
        rng = run.rng("autoregressive")
        weights = processes(len(images.classes) * images.channels, self.response, rng)
        by_class = weights.reshape(len(images.classes), images.channels, WINDOW, WINDOW)
        for label, own in enumerate(by_class):
            if self.form == "class-wise":
                rows = np.array([label])
            else:
                rows = np.flatnonzero(images.labels == label)
            for first in range(0, len(rows), CHUNK):
                some = rows[first : first + CHUNK]
                drawn = draws(np.broadcast_to(own, (len(some), *own.shape)), images.size, rng)
                out[some] = budget.filled(drawn)
        return {"weights": by_class.round(6).tolist()}


def draws(
    weights: NDArray[np.float64], size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """What processes with weights (..., 3, 3) bring forth on so many pixels, (..., H, W)."""
    flat = weights.reshape(-1, WINDOW * WINDOW)
    height, width = (length + MARGIN for length in size)
    field = rng.standard_normal((height, width, len(flat)))  # the window of a pixel lies together
    taps = [(place, divmod(place, WINDOW)) for place in range(WINDOW * WINDOW - 1)]
    with np.errstate(over="ignore", invalid="ignore"):
        for row in range(WINDOW - 1, height):
            for column in range(WINDOW - 1, width):
                top, left = row - WINDOW + 1, column - WINDOW + 1
                field[row, column] = sum(
                    flat[:, place] * field[top + down, left + across]
                    for place, (down, across) in taps
                )
    return field[MARGIN:, MARGIN:].transpose(2, 0, 1).reshape(*weights.shape[:-2], *size)


def answers(noise: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """What filters (m, 3, 3) answer to noises (n, H, W): the sum of what is above zero, (n, m).

    A filter takes from each pixel what its own process would have put there.
    """
    filters = weights.reshape(len(weights), -1).copy()
    filters[:, -1] = -1
    windows = np.lib.stride_tricks.sliding_window_view(noise, (WINDOW, WINDOW), axis=(1, 2))
    response = windows.reshape(*windows.shape[:3], -1) @ filters.T
    return np.maximum(response, 0).sum((1, 2))


def processes(count: int, least: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Weights of so many processes that stay small and differ from each other, (count, 3, 3).

    Raises:
        SettingError: there are too few.
    """
    kept = np.empty((0, WINDOW, WINDOW))
    for _ in range(TRIES):
        tried = rng.standard_normal((CANDIDATES, WINDOW * WINDOW))
        tried[:, -1] = 0
        tried = (tried / tried.sum(1, keepdims=True)).reshape(-1, WINDOW, WINDOW)
        drawn = np.stack([draws(tried, (SIDE, SIDE), rng) for _ in range(3)], 1)
        with np.errstate(over="ignore", invalid="ignore"):
            quiet = np.sqrt((drawn**2).sum((2, 3))).max(1) <= LOUDEST  # no number is not
        for weights, noises in zip(tried[quiet], drawn[quiet], strict=True):
            if len(kept) == 0 or answers(noises, kept).min() >= least:
                kept = np.concatenate([kept, weights[None]])
            if len(kept) == count:
                return kept
    raise SettingError(
        f"of {TRIES * CANDIDATES} processes {len(kept)} differ enough, and {count} are needed: ask "
        f"for less by --set response={least / 3:.0f}."
    )
