"""Operations on images of a batch, each to its own amount; RandAugment and its kin choose of these.

They are those of Cubuk et al., "AutoAugment", CVPR 2019. A moved image is black where it ended, and
its pixels are the nearest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as tv
from torch import Tensor

Operation = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""From images (n, C, H, W) in [0, 1] and amounts (n, 1, 1, 1) to images, perhaps with draws."""

Space = Mapping[str, tuple[float, float]]
"""What may be chosen: for each operation its amount at level 0, and what level 1 adds to it."""

SHIFTS = ("shear-x", "shear-y", "translate-x", "translate-y", "rotate")
ENHANCEMENTS = ("brightness", "color", "contrast", "sharpness")


def operate(
    x: Tensor,
    space: Space,
    *,
    which: Tensor,
    level: Tensor,
    mirrored: Collection[str],
    generator: torch.Generator,
) -> Tensor:
    """One operation on each image.

    Args:
        x: images in [0, 1], (n, C, H, W).
        space: the operations and their amounts.
        which: the place in the space of each image's operation, (n,).
        level: how strong it is, (n,).
        mirrored: the operations whose level has its sign changed with a chance of one half.
        generator: for the signs and for the places of holes.
    """
    amounts = torch.tensor(list(space.values()), device=which.device)[which]
    mirror = torch.tensor([name in mirrored for name in space], device=which.device)[which]
    coin = torch.rand(len(x), generator=generator, device=generator.device) < 0.5
    signed = torch.where(mirror & coin, -level, level)
    amount = (amounts[:, 0] + amounts[:, 1] * signed).view(-1, 1, 1, 1).to(x.device)
    out = torch.empty_like(x)
    for place, name in enumerate(space):
        rows = (which == place).nonzero()[:, 0].to(x.device)
        if len(rows):
            out[rows] = OPERATIONS[name](x[rows], amount[rows], generator)
    return out


Move = Callable[[Tensor, Tensor, Tensor, tuple[int, int]], tuple[Tensor, Tensor]]
"""From columns, rows, amounts and (height, width) to the columns and rows to read, in pixels."""


def _moved(read: Move) -> Operation:
    def operation(x: Tensor, amount: Tensor, generator: torch.Generator) -> Tensor:
        count, _, height, width = x.shape
        across = torch.arange(width, device=x.device).view(1, 1, -1) + 0.5
        down = torch.arange(height, device=x.device).view(1, -1, 1) + 0.5
        across, down = read(across, down, amount[:, :, :, 0], (height, width))
        places = (2 * across / width - 1, 2 * down / height - 1)
        grid = torch.stack([place.expand(count, height, width) for place in places], 3)
        return F.grid_sample(x, grid, mode="nearest", align_corners=False)

    return operation


def _turned(
    across: Tensor, down: Tensor, degrees: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    angle, (height, width) = degrees * math.pi / 180, size
    x, y = across - width / 2, down - height / 2
    cos, sin = angle.cos(), angle.sin()
    return x * cos - y * sin + width / 2, x * sin + y * cos + height / 2


def _enhanced(dull: Callable[[Tensor], Tensor]) -> Operation:
    """An image drawn away from its dull form, or towards it: Pillow's `ImageEnhance`."""

    def operation(x: Tensor, amount: Tensor, generator: torch.Generator) -> Tensor:
        return torch.lerp(dull(x), x, amount).clamp(0, 1)

    return operation


def _gray(x: Tensor) -> Tensor:
    return tv.rgb_to_grayscale(x, num_output_channels=x.shape[1])


def _posterized(x: Tensor, bits: Tensor, generator: torch.Generator) -> Tensor:
    step = 2 ** (8 - bits.round())
    return (x * 255).round().div(step).floor() * step / 255


def _solarized(x: Tensor, threshold: Tensor, generator: torch.Generator) -> Tensor:
    return torch.where(x >= threshold, 1 - x, x)


def _holed(x: Tensor, share: Tensor, generator: torch.Generator) -> Tensor:
    """A gray square, its side a share of the width, its centre anywhere; it may reach over."""
    count, _, height, width = x.shape
    draws = torch.rand(2, count, 1, 1, 1, generator=generator, device=generator.device).to(x.device)
    reach = share * width / 2
    down = torch.arange(height, device=x.device).view(1, 1, -1, 1) + 0.5 - draws[0] * height
    across = torch.arange(width, device=x.device).view(1, 1, 1, -1) + 0.5 - draws[1] * width
    return x.masked_fill((down.abs() < reach) & (across.abs() < reach), 0.5)


OPERATIONS: dict[str, Operation] = {
    "identity": lambda x, amount, generator: x,
    # amounts: the tangent, shares of a side, degrees
    "shear-x": _moved(lambda across, down, a, size: (across + a * down, down)),
    "shear-y": _moved(lambda across, down, a, size: (across, down + a * across)),
    "translate-x": _moved(lambda across, down, a, size: (across + (a * size[1]).trunc(), down)),
    "translate-y": _moved(lambda across, down, a, size: (across, down + (a * size[0]).trunc())),
    "rotate": _moved(_turned),
    # amounts: 1 leaves an image as it is
    "brightness": _enhanced(torch.zeros_like),
    "color": _enhanced(_gray),
    "contrast": _enhanced(lambda x: _gray(x).mean((1, 2, 3), keepdim=True).expand_as(x)),
    "sharpness": _enhanced(lambda x: tv.adjust_sharpness(x, 0.0)),
    # amounts: bits, the level from which values are inverted
    "posterize": _posterized,
    "solarize": _solarized,
    # of no amount
    "autocontrast": lambda x, amount, generator: tv.autocontrast(x),
    "equalize": lambda x, amount, generator: tv.equalize(x),
    "invert": lambda x, amount, generator: 1 - x,
    # amount: share of the width
    "cutout": _holed,
}
