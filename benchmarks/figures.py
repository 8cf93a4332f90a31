"""How the figures of a page are written."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

CHANCE = 0.1  # of ten classes


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The mean of some seeds with the lowest and the highest; of one seed its value alone.

    Example:
        >>> spread([1, 2, 6])
        '3.0 (1.0 to 6.0)'
    """
    if not values:
        return "–"
    mean, low, high = (
        format(value, f"z.{digits}f")
        for value in (statistics.mean(values), min(values), max(values))
    )
    return mean if len(values) == 1 else f"{mean} ({low} to {high})"


def learnability(accuracy: float, clean: float) -> float:
    """What was learnt above chance, against clean images."""
    return (accuracy - CHANCE) / (clean - CHANCE)
