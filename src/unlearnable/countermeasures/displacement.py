"""COIN: every pixel read from a random place nearby.

Li, Wang et al., "Detecting and Corrupting Convolution-based Unlearnable Examples", AAAI 2025, first
"Corrupting Convolution-based Unlearnable Datasets with Pixel-based Image Transformations", arXiv
2311.18403. Made against noise that is a blur of its own for each class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearnable.hooks import Countermeasure, Moment
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class Displacement(Countermeasure):
    """Each pixel from up to so far along both axes, bilinear; opposite edges are joined.

    Example:
        >>> Displacement().reach
        2.0
    """

    source: ClassVar[str] = "Li et al., AAAI 2025"
    called: ClassVar[str] = "random displacement of pixels (COIN)"

    reach: float = setting(2.0, "the farthest along an axis, in pixels", above=0, most=7)

    def __post_init__(self) -> None:
        check(self)

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        """Displaced, each pixel by a draw of its own, all channels alike."""
        (count, _, height, width), draws = x.shape, moment.generator
        pad = math.ceil(self.reach) + 1
        wide = F.pad(x, (pad,) * 4, mode="circular")
        step = torch.rand(2, count, height, width, generator=draws, device=draws.device)
        step = (2 * step.to(x.device) - 1) * self.reach + pad + 0.5
        across = (step[0] + torch.arange(width, device=x.device)) / wide.shape[3]
        down = (step[1] + torch.arange(height, device=x.device).unsqueeze(1)) / wide.shape[2]
        grid = torch.stack([across, down], 3) * 2 - 1
        return F.grid_sample(wide, grid, mode="bilinear", align_corners=False), y
