"""Early stopping: the network of the best epoch on clean images, before noise is all it reads.

Sandoval-Segura et al., "What Can We Learn from Unlearnable Datasets?", NeurIPS 2023, arXiv
2305.19254, found that networks learn something useful from protected images at first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from unlearnable.hooks import Countermeasure


@dataclass(frozen=True)
class EarlyStopping(Countermeasure):
    """The epoch with the highest accuracy on the trainer's own clean images counts.

    Example:
        >>> EarlyStopping().choose([0.2, 0.5, 0.5, 0.1])
        1
    """

    source: ClassVar[str] = "Sandoval-Segura et al., NeurIPS 2023"
    called: ClassVar[str] = "early stopping on clean images"

    def choose(self, heldout: Sequence[float]) -> int:
        """The first of the best."""
        return heldout.index(max(heldout))
