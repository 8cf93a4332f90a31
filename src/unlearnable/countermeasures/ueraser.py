"""UEraser: augmentations so strong that the noise's features do not last, chosen against the model.

Qin et al., "Learning the Unlearnable: Adversarial Augmentations Suppress Unlearnable Example
Attacks", arXiv 2303.15127.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearnable.countermeasures.policies import NARROW, trivially_augmented
from unlearnable.hooks import Countermeasure, Criterion, Moment
from unlearnable.settings import check, setting

ROUGHNESS = (0.3, 0.7)
INTENSITY = (0.5, 1.0)
CHANCE = 0.5
ADVERSARIAL = 0.25  # the share of the training for which `standard` takes the worst draw


@dataclass(frozen=True)
class UEraser(Countermeasure):
    """Plasma brightness, plasma contrast, shuffled channels and TrivialAugment.

    Its amounts are those of RandAugment, near to those of the library that the authors use.
    `lite` draws once an image. `max` draws several times, and counts for each image the draw with
    the largest loss. `standard` is `max` for the first quarter of the training, and then `lite`.

    Example:
        >>> UEraser("max").hooks
        frozenset({'loss'})
    """

    source: ClassVar[str] = "Qin et al., 2023"
    called: ClassVar[str] = "UEraser ({variant})"

    variant: Literal["lite", "standard", "max"] = setting(
        "standard", "for how long the worst draw counts"
    )
    draws: int = setting(5, "of augmentations an image, of which the worst counts", least=2)

    def __post_init__(self) -> None:
        check(self)

    @property
    def hooks(self) -> frozenset[str]:
        """Where it augments."""
        return frozenset({"batch" if self.variant == "lite" else "loss"})

    @property
    def cost(self) -> float:
        """Every draw takes a step's time; what makes it, a hundredth."""
        adversarial = {"lite": 0.0, "standard": ADVERSARIAL, "max": 1.0}[self.variant]
        return 1 + adversarial * (self.draws - 1)

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """Augmented once, if `lite`."""
        return (erased(x, moment.generator), y) if self.variant == "lite" else (x, y)

    def loss(
        self, model: nn.Module, x: Tensor, y: Tensor, *, criterion: Criterion, moment: Moment
    ) -> Tensor:
        """The mean over images of the largest loss of an image's draws, if not `lite`."""
        if self.variant == "lite":
            return super().loss(model, x, y, criterion=criterion, moment=moment)
        adversarial = self.variant == "max" or moment.progress < ADVERSARIAL
        draws = self.draws if adversarial else 1
        with torch.autocast(x.device.type, enabled=False):
            views = erased(torch.cat([x] * draws), moment.generator)
        losses = criterion(model(views).float(), torch.cat([y] * draws))
        return losses.view(draws, -1).max(0).values.mean()


def erased(x: Tensor, generator: torch.Generator) -> Tensor:
    """Images in [0, 1], (n, C, H, W), each augmented by draws of its own."""
    intensity = _uniform(x, INTENSITY, generator)
    brighter = x + intensity * (2 * plasma(x, generator) - 1)
    x = torch.where(_chosen(x, generator), brighter.clamp(0, 1), x)
    contrast = (x - 0.5) * 4 * plasma(x, generator) + 0.5
    x = torch.where(_chosen(x, generator), contrast.clamp(0, 1), x)
    x = torch.where(_chosen(x, generator), _shuffled_channels(x, generator), x)
    return trivially_augmented(x, NARROW, generator)


def plasma(x: Tensor, generator: torch.Generator) -> Tensor:
    """A cloud in [0, 1] for each image and channel, of the shape of x, its roughness drawn.

    As by the diamond-square algorithm, but each finer grid is the bilinear mean of the coarser one
    and new draws everywhere, also where the coarser one had its points.
    """
    roughness = _uniform(x, ROUGHNESS, generator)
    cloud = _rand(x, (*x.shape[:2], 2, 2), generator)
    for octave in range(1, math.ceil(math.log2(max(x.shape[2:]))) + 1):
        side = 2**octave + 1
        cloud = F.interpolate(cloud, size=(side, side), mode="bilinear", align_corners=True)
        cloud = torch.lerp(cloud, _rand(x, cloud.shape, generator), roughness**octave)
    return cloud[:, :, : x.shape[2], : x.shape[3]]


def _shuffled_channels(x: Tensor, generator: torch.Generator) -> Tensor:
    order = _rand(x, x.shape[:2], generator).argsort(1)
    return x.gather(1, order.view(*order.shape, 1, 1).expand_as(x))


def _chosen(x: Tensor, generator: torch.Generator) -> Tensor:
    return _rand(x, (len(x), 1, 1, 1), generator) < CHANCE


def _uniform(x: Tensor, bounds: tuple[float, float], generator: torch.Generator) -> Tensor:
    low, high = bounds
    return low + (high - low) * _rand(x, (len(x), 1, 1, 1), generator)


def _rand(x: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device).to(x.device)
