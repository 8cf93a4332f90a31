"""RandAugment and TrivialAugment: one or a few operations an image, drawn at random.

Cubuk et al., "RandAugment", NeurIPS 2020, arXiv 1909.13719; Müller and Hutter, "TrivialAugment",
ICCV 2021, arXiv 2103.10158. Operations and amounts are those of torchvision's transforms, which
draw once for a whole batch; here each image has its own draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from unlearnable.countermeasures.operations import ENHANCEMENTS, SHIFTS, Space, operate
from unlearnable.hooks import Countermeasure, Moment
from unlearnable.settings import check, setting

LEVELS = 30
MIRRORED = SHIFTS + ENHANCEMENTS


def space(
    *, shear: float, across: float, down: float, degrees: float, gain: float, bits: int
) -> Space:
    """The fourteen operations of both, each with what the highest level adds to the least."""
    return {
        "identity": (0, 0),
        "shear-x": (0, shear),
        "shear-y": (0, shear),
        "translate-x": (0, across),
        "translate-y": (0, down),
        "rotate": (0, degrees),
        **dict.fromkeys(ENHANCEMENTS, (1, gain)),
        "posterize": (8, -bits),
        "solarize": (1, -1),
        "autocontrast": (0, 0),
        "equalize": (0, 0),
    }


NARROW = space(shear=0.3, across=150 / 331, down=150 / 331, degrees=30, gain=0.9, bits=4)


@dataclass(frozen=True)
class RandAugment(Countermeasure):
    """A few operations an image, all of one strength.

    Example:
        >>> RandAugment().hooks
        frozenset({'batch'})
    """

    source: ClassVar[str] = "Cubuk et al., NeurIPS 2020"
    called: ClassVar[str] = "RandAugment"

    ops: int = setting(2, "operations an image", least=1, most=10)
    magnitude: int = setting(9, f"of each, of {LEVELS}", least=0, most=LEVELS)

    def __post_init__(self) -> None:
        check(self)

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """One operation after the other."""
        draws = moment.generator
        level = torch.full((len(x),), self.magnitude / LEVELS, device=draws.device)
        for _ in range(self.ops):
            which = torch.randint(len(NARROW), level.shape, generator=draws, device=draws.device)
            x = operate(x, NARROW, which=which, level=level, mirrored=MIRRORED, generator=draws)
        return x, y


@dataclass(frozen=True)
class TrivialAugment(Countermeasure):
    """One operation an image, its strength drawn too, from none to very much.

    Example:
        >>> TrivialAugment().hooks
        frozenset({'batch'})
    """

    source: ClassVar[str] = "Müller and Hutter, ICCV 2021"
    called: ClassVar[str] = "TrivialAugment"

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """One operation."""
        height, width = x.shape[2:]
        wide = space(
            shear=0.99, across=32 / width, down=32 / height, degrees=135, gain=0.99, bits=6
        )
        return trivially_augmented(x, wide, moment.generator), y


def trivially_augmented(x: Tensor, choice: Space, generator: torch.Generator) -> Tensor:
    """Images in [0, 1], (n, C, H, W), each with one operation of one level."""
    which, level = (
        torch.randint(most, (len(x),), generator=generator, device=generator.device)
        for most in (len(choice), LEVELS + 1)
    )
    return operate(
        x, choice, which=which, level=level / LEVELS, mirrored=MIRRORED, generator=generator
    )
