"""Contrastive pretraining: a network that learns from the images without their labels.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020,
arXiv 2002.05709. Noise that only speaks of labels is of no use to it; afterwards a linear layer is
trained on what it has learnt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearnable.countermeasures.contrastive import Contrastive
from unlearnable.countermeasures.last_layer import last_layer
from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import Countermeasure, Criterion, Moment
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.settings import check, setting
from unlearnable.training import fit

PROJECTION = 128  # numbers that NT-Xent compares


class Probe(nn.Module):
    """A body that stays as it is, and a linear layer that learns from it."""

    def __init__(self, body: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.body = body.requires_grad_(False).eval()
        self.head = head

    def train(self, mode: bool = True) -> Probe:
        """Training mode for the layer alone: the body's batch norm is left as it is too."""
        super().train(mode)
        self.body.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] to logits (N, K)."""
        return self.head(self.body(x))


@dataclass(frozen=True)
class TwoViews(Countermeasure):
    """Training without labels: a batch becomes two views of each image, to be found as pairs."""

    temperature: float
    strength: float

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """Twice as many images; those of row i are i and n + i."""
        view = Contrastive(self.strength)
        return view.batch(x.repeat(2, 1, 1, 1), y.repeat(2), moment=moment)

    def loss(
        self, model: nn.Module, x: Tensor, y: Tensor, *, criterion: Criterion, moment: Moment
    ) -> Tensor:
        """NT-Xent in place of the labels' loss."""
        return nt_xent(model(x), self.temperature)


def nt_xent(z: Tensor, temperature: float) -> Tensor:
    """How badly each of (2n, d) finds the other view of its image, row i ± n, among all; a scalar.

    Example:
        >>> float(nt_xent(torch.eye(2).repeat(2, 1), 0.01)) < 1e-6
        True
    """
    z = F.normalize(z.float(), dim=1)
    likeness = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    other = torch.arange(len(z), device=z.device).roll(len(z) // 2)
    return F.cross_entropy(likeness, other)


@dataclass(frozen=True)
class SimCLR(Countermeasure):
    """Pretraining on the suspect images without labels, then a linear layer on the frozen network.

    Example:
        >>> SimCLR(100).hooks
        frozenset({'start'})
    """

    source: ClassVar[str] = "Chen et al., ICML 2020"
    called: ClassVar[str] = "self-supervised pretraining"

    epochs: int = setting(30, "of pretraining", least=1)
    batch_size: int = setting(256, "images to a step of pretraining", least=2)
    learning_rate: float = setting(0.1, "the highest of pretraining", above=0)
    temperature: float = setting(0.5, "of the loss", above=0)
    strength: float = setting(1.0, "of the augmentations, 1 being as published", above=0, most=1)

    def __post_init__(self) -> None:
        check(self)

    @property
    def cost(self) -> float:
        """An epoch is two views an image; the layer afterwards takes forward passes alone."""
        return 0.35 + 0.105 * self.epochs

    def start(self, model: nn.Module, train: ImageSet, *, run: Run) -> nn.Module:
        """The network pretrained in place, in a `Probe` with its own last layer."""
        name, head = last_layer(model)
        model.set_submodule(name, nn.Identity())
        self._pretrain(model, head.in_features, train, run)
        return Probe(model, head).to(run.device)

    def _pretrain(self, body: nn.Module, features: int, train: ImageSet, run: Run) -> None:
        model = nn.Sequential(body, _projection(features, run.seeded("projection").seed))
        fit(
            model,
            train,
            schedule=Schedule(
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                augmentations="",
            ),
            run=run.seeded("pretrain"),
            countermeasure=TwoViews(self.temperature, self.strength),
            job="simclr",
        )


def _projection(features: int, seed: int) -> nn.Module:
    """Two layers between the features and the loss; not kept."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(features, features, bias=False),
            nn.BatchNorm1d(features),
            nn.ReLU(),
            nn.Linear(features, PROJECTION),
        )
