"""Orthogonal projection: what a linear model reads from the pixels is taken out of the images.

Sandoval-Segura et al., "What Can We Learn from Unlearnable Datasets?", NeurIPS 2023,
arXiv 2305.19254.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearnable.countermeasures.stored import changed
from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.settings import check, setting
from unlearnable.training import shuffled

BATCH = 1024
RATE = 0.1


@dataclass(frozen=True)
class Projection(Countermeasure):
    """Each image without its part in the span of a linear classifier's weights.

    Class-wise noise is such a part. The classifier is a softmax on raw pixels without a bias,
    trained by SGD on the suspect images.

    Example:
        >>> Projection().hooks
        frozenset({'prepare'})
    """

    source: ClassVar[str] = "Sandoval-Segura et al., NeurIPS 2023"
    called: ClassVar[str] = "orthogonal projection"

    epochs: int = setting(20, "of the linear classifier", least=1)

    def __post_init__(self) -> None:
        check(self)

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Projected, and rounded to whole levels from 0 to 255."""
        # the rows start at zero and sum to zero ever after, so all but one of them span the same
        basis = torch.linalg.qr(self._weights(train, run)[:-1].T).Q

        def without(x: Tensor) -> Tensor:
            flat = x.flatten(1)
            return (flat - flat @ basis @ basis.T).view_as(x)

        return changed(train, without, run)

    def _weights(self, train: ImageSet, run: Run) -> Tensor:
        """The classifier's, (K, C·H·W)."""
        images, labels = run.upload(train.images), torch.from_numpy(train.labels).to(run.device)
        weights = torch.zeros(len(train.classes), images[0].numel(), device=run.device)
        optimizer = torch.optim.SGD([weights.requires_grad_()], lr=RATE)
        halves = [self.epochs // 2, 3 * self.epochs // 4]
        rate = torch.optim.lr_scheduler.MultiStepLR(optimizer, halves, gamma=0.1)
        for epoch in range(self.epochs):
            for rows in shuffled(len(images), BATCH, run.seeded("projection"), epoch):
                logits = images[rows].flatten(1).float().div(255) @ weights.T
                optimizer.zero_grad()
                torch.autograd.backward(F.cross_entropy(logits, labels[rows]))
                optimizer.step()
            rate.step()
        return weights.detach()
