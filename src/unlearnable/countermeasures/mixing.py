"""Mixup and CutMix: images mixed with others of their batch, and labels in the same shares.

Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv 1710.09412; Yun et al.,
"CutMix", ICCV 2019, arXiv 1905.04899. Huang et al., 2021 mix up to twice; the mixup of their code
multiplies the other image by one minus itself instead of its share, which ours does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unlearnable.hooks import Countermeasure, Moment
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class Mixup(Countermeasure):
    """Each image and its label blended with another's.

    Example:
        >>> Mixup().hooks
        frozenset({'batch'})
    """

    source: ClassVar[str] = "Zhang et al., ICLR 2018"
    called: ClassVar[str] = "mixup"

    beta: float = setting(1.0, "of the share's distribution, Beta(β, β)", above=0)
    chance: float = setting(0.5, "that a mix of an image is done", above=0, most=1)
    mixes: int = setting(2, "that an image may have, one after the other", least=1, most=10)

    def __post_init__(self) -> None:
        check(self)

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """Blended, with soft labels (n, K)."""
        y = soft(y, moment.classes)
        images, labels = x, y
        for _ in range(self.mixes):
            share = _shares(len(x), self.beta, self.chance, moment).to(x.device)
            other = _others(len(x), moment).to(x.device)
            x = torch.lerp(images[other], x, share.view(-1, 1, 1, 1))
            y = torch.lerp(labels[other], y, share.view(-1, 1))
        return x, y


@dataclass(frozen=True)
class CutMix(Countermeasure):
    """A rectangle of each image replaced by another's, and as large a share of its label.

    Example:
        >>> CutMix().hooks
        frozenset({'batch'})
    """

    source: ClassVar[str] = "Yun et al., ICCV 2019"
    called: ClassVar[str] = "CutMix"

    beta: float = setting(1.0, "of the distribution of the area kept, Beta(β, β)", above=0)
    chance: float = setting(0.5, "that a mix of an image is done", above=0, most=1)
    mixes: int = setting(2, "that an image may have, one after the other", least=1, most=10)

    def __post_init__(self) -> None:
        check(self)

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """With rectangles of others, and soft labels (n, K): shares of what is to be seen."""
        images, labels = x, soft(y, moment.classes)
        parts = [(torch.ones_like(x[:, :1], dtype=torch.bool), labels)]
        for _ in range(self.mixes):
            share = _shares(len(x), self.beta, self.chance, moment)
            down, across = (_stretch(length, share, moment) for length in x.shape[2:])
            hole = (down.unsqueeze(2) & across.unsqueeze(1)).unsqueeze(1).to(x.device)
            other = _others(len(x), moment).to(x.device)
            x = torch.where(hole, images[other], x)
            parts = [(seen & ~hole, owner) for seen, owner in parts] + [(hole, labels[other])]
        shares = [seen.float().mean((2, 3)) * owner for seen, owner in parts]
        return x, torch.stack(shares).sum(0)


def soft(y: Tensor, classes: int) -> Tensor:
    """Labels (n,) or (n, K) as shares of the classes, float32 (n, K)."""
    return y if y.ndim == 2 else F.one_hot(y, classes).float()


def _shares(count: int, beta: float, chance: float, moment: Moment) -> Tensor:
    """The share of itself that each image keeps, (count,): 1 where it is not mixed."""
    draws, device = moment.generator, moment.generator.device
    seed = torch.randint(2**62, (), generator=draws, device=device)  # torch's Beta takes none
    share = torch.from_numpy(np.random.default_rng(int(seed)).beta(beta, beta, count)).float()
    mixed = torch.rand(count, generator=draws, device=device) < chance
    return torch.where(mixed, share.to(device), 1.0)


def _others(count: int, moment: Moment) -> Tensor:
    """With which image of the batch each is mixed, (count,)."""
    return torch.randperm(count, generator=moment.generator, device=moment.generator.device)


def _stretch(length: int, share: Tensor, moment: Moment) -> Tensor:
    """Which places of each image's axis its rectangle covers, (n, length); it may reach over."""
    draws, device = moment.generator, moment.generator.device
    centre = torch.randint(length, (len(share), 1), generator=draws, device=device)
    half = ((1 - share).sqrt() * length / 2).floor().unsqueeze(1)
    place = torch.arange(length, device=device)
    return (place >= centre - half) & (place < centre + half)
