"""Accuracy, learnability and its interval.

Accuracy is the mean per-class recall, chance 1/K, and

    learnability = (accuracy − chance) / (accuracy of the clean arm − chance):

0 means that nothing was learnt, 1 that the images are as useful as undefended ones. It is never
clipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
COVERAGE = (2.5, 97.5)  # percentiles: a 95 % interval


def mean_recall(predictions: NDArray[Any], labels: NDArray[Any], classes: int) -> float:
    """Mean per-class recall in 0..1 over the classes that have images.

    Example:
        >>> round(mean_recall(np.array([0, 0, 1]), np.array([0, 0, 0]), 2), 3)
        0.667
    """
    recall = recalls(predictions, labels, classes)
    return float(np.nanmean(recall))


def recalls(predictions: NDArray[Any], labels: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Recall of each class in 0..1, (classes,); not a number where a class has no image."""
    counts = np.bincount(labels, minlength=classes)
    hits = np.bincount(labels, weights=predictions == labels, minlength=classes)
    return np.divide(hits, counts, out=np.full(classes, np.nan), where=counts > 0)


def confusion(predictions: NDArray[Any], labels: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Counts, (classes, classes): a row for each true class, a column for each predicted one."""
    flat = np.bincount(labels * classes + predictions, minlength=classes**2)
    return flat.reshape(classes, classes)


@dataclass(frozen=True)
class Roc:
    """A ROC curve.

    Attributes:
        area: under it, 0..1; 0.5 is chance, 1 is every pair right.
        rates: the true positive rate, 0..1, at 0, 1, … 100 % false positives.
    """

    area: float
    rates: list[float]


def verification(embeddings: NDArray[Any], labels: NDArray[Any]) -> Roc:
    """How well likeness tells whether two images are of one class, over all pairs.

    Likeness is the cosine of two embeddings.

    Args:
        embeddings: (n, d); their mean is taken off first.
        labels: (n,), of at least two classes, one of which has two images.

    Example:
        >>> verification(np.array([[1, 0], [2, 0.1], [-1, 1]]), np.array([0, 0, 1])).area
        1.0
    """
    centred = embeddings - embeddings.mean(0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    first, second = np.triu_indices(len(labels), 1)
    likeness = (unit @ unit.T)[first, second]
    same = labels[first] == labels[second]
    _, place = np.unique(-likeness, return_inverse=True)  # equal ones share a threshold
    found, false = (
        np.append(0, np.cumsum(np.bincount(place, weights=pairs))) / pairs.sum()
        for pairs in (same, ~same)
    )
    rates = np.interp(np.linspace(0, 1, 101), false, found)
    return Roc(float(np.trapezoid(found, false)), rates.round(4).tolist())


@dataclass(frozen=True)
class Learnability:
    """A learnability with its 95 % interval.

    Attributes:
        value: the ratio of the means over seeds.
        low, high: the interval of a paired bootstrap; over test images alone with one seed.
        seeds: how many there were.
    """

    value: float
    low: float
    high: float
    seeds: int


def learnability(
    arm: Sequence[NDArray[Any]],
    clean: Sequence[NDArray[Any]],
    labels: NDArray[Any],
    classes: int,
    *,
    seed: int = 0,
) -> Learnability:
    """Learnability of an arm against the clean arm, from their predictions, a pair for each seed.

    The bootstrap draws seeds and, within each class, test images with replacement, the same for
    both arms (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).

    Args:
        arm: predicted classes of the test images, (n,) for each seed.
        clean: the same of the clean arm, in the same order of seeds.
        labels: true classes, (n,).
        classes: K.
        seed: of the resampling.
    """
    chance = 1 / classes
    weights, chosen = _draws(labels, classes, len(arm), seed)
    drawn = [_resampled(runs, labels, weights, chosen) - chance for runs in (arm, clean)]
    exact = [np.mean([mean_recall(p, labels, classes) for p in runs]) for runs in (arm, clean)]
    low, high = np.percentile(_ratio(*drawn), COVERAGE)
    value = _ratio(np.asarray(exact[0] - chance), np.asarray(exact[1] - chance))
    return Learnability(float(value), float(low), float(high), len(arm))


def accuracy_interval(
    runs: Sequence[NDArray[Any]], labels: NDArray[Any], classes: int, *, seed: int = 0
) -> tuple[float, float]:
    """The 95 % bootstrap interval of the accuracy, over seeds and test images.

    Args:
        runs: predicted classes of the test images, (n,) for each seed.
        labels: true classes, (n,).
        classes: K.
        seed: of the resampling.
    """
    weights, chosen = _draws(labels, classes, len(runs), seed)
    low, high = np.percentile(_resampled(runs, labels, weights, chosen), COVERAGE)
    return float(low), float(high)


def _draws(
    labels: NDArray[Any], classes: int, runs: int, seed: int
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """How often each resample takes each test image, class by class, and which seeds."""
    rng = np.random.default_rng(seed)
    weights = [
        rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)
        for count in np.bincount(labels, minlength=classes)
        if count
    ]
    return weights, rng.integers(runs, size=(RESAMPLES, runs))


def _resampled(
    runs: Sequence[NDArray[Any]],
    labels: NDArray[Any],
    weights: Sequence[NDArray[np.int64]],
    chosen: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Mean recall of every resample, (RESAMPLES,)."""
    right = np.stack([predictions == labels for predictions in runs], 1).astype(np.float64)
    by_class = [right[labels == label] for label in np.unique(labels)]
    recall = [w @ r / len(r) for w, r in zip(weights, by_class, strict=True)]
    accuracy = np.mean(recall, axis=0)  # (RESAMPLES, seeds)
    return np.take_along_axis(accuracy, chosen, axis=1).mean(1)


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Learnability; a clean arm at chance or below makes it meaningless, not infinite."""
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)
