"""Deep feature reweighting: the last layer is fitted anew on a few clean images.

Kirichenko et al., "Last Layer Re-Training is Sufficient for Robustness to Spurious Correlations",
ICLR 2023, arXiv 2204.02937; on protected images Sandoval-Segura et al., "What Can We Learn from
Unlearnable Datasets?", NeurIPS 2023, arXiv 2305.19254.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearnable.countermeasures.last_layer import features, last_layer
from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.settings import check, setting

MOST_STEPS = 500  # of L-BFGS, which stops long before where the loss is flat


@dataclass(frozen=True)
class Refit(Countermeasure):
    """Training as usual; then a logistic regression on clean images in place of the last layer.

    Example:
        >>> Refit().needs_heldout
        True
    """

    source: ClassVar[str] = "Kirichenko et al., ICLR 2023"
    called: ClassVar[str] = "refitting the last layer on clean images"

    weight_decay: float = setting(
        0.01, "of the new layer's weights, to features of unit variance", above=0
    )

    def __post_init__(self) -> None:
        check(self)

    def finish(self, model: nn.Module, heldout: ImageSet, *, run: Run) -> nn.Module:
        """A new last layer in place of the old; nothing else changes."""
        name, old = last_layer(model)
        x = features(model, heldout, run)
        y = torch.from_numpy(heldout.labels).to(run.device)
        model.set_submodule(name, self._fitted(x, y, old.out_features))
        return model

    def _fitted(self, x: Tensor, y: Tensor, classes: int) -> nn.Linear:
        """Multinomial logistic regression on features (n, d) brought to mean 0 and variance 1."""
        deviation, mean = torch.std_mean(x, dim=0, correction=0)
        # what hardly varies is left small: as large as the rest, it would be rounding alone
        deviation = deviation.clamp_min(1e-3 * float(deviation.max()) or 1.0)
        layer = nn.Linear(x.shape[1], classes, device=x.device)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        solver: torch.optim.Optimizer = torch.optim.LBFGS(
            layer.parameters(), max_iter=MOST_STEPS, line_search_fn="strong_wolfe"
        )

        def loss() -> float:
            solver.zero_grad()
            size = layer.weight.square().sum()
            value = F.cross_entropy(layer((x - mean) / deviation), y)
            value = value + self.weight_decay / 2 * size
            torch.autograd.backward(value)
            return float(value.detach())

        solver.step(loss)
        with torch.no_grad():
            layer.weight.div_(deviation)
            layer.bias.sub_(layer.weight @ mean)
        return layer
