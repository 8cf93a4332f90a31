"""Ways that an image goes before a trainer has it, differentiable: noise is searched through them.

Athalye et al., "Synthesizing Robust Adversarial Examples", ICML 2018: what is to last through
changes is found in expectation over them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unlearnable.augment import LUMA, resized_crop
from unlearnable.data.recoding import recoded
from unlearnable.errors import SettingError, unknown
from unlearnable.pgd import FULL

Way = Callable[[Tensor, float, torch.Generator], Tensor]
"""From images (n, C, H, W) in [0, 1], float32, and an amount to such images."""


def jpeg(x: Tensor, quality: float, generator: torch.Generator) -> Tensor:
    """What is in the file that Pillow writes, its colour at half the resolution (4:2:0).

    The gradient is kornia's, of Reich et al., "Differentiable JPEG: The Devil is in the Details",
    WACV 2024.
    """
    from kornia.enhance import jpeg_codec_differentiable  # slow to load, and an extra

    levels = x.detach().mul(FULL).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    files = np.stack([recoded(image, "JPEG", quality=round(quality)) for image in levels])
    written = torch.from_numpy(files).permute(0, 3, 1, 2).to(x.device).float().div(FULL)
    colour = x if x.shape[1] == 3 else x.expand(-1, 3, -1, -1)
    smooth = jpeg_codec_differentiable(colour, torch.tensor([quality], device=x.device))
    if x.shape[1] == 1:
        smooth = smooth.mean(1, keepdim=True)
    return smooth + (written - smooth).detach()


def resize(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Made smaller, to this share of each side, and brought back."""
    height, width = x.shape[2:]
    size = (max(1, round(share * height)), max(1, round(share * width)))
    return _at(_at(x, size), (height, width))


def crop(x: Tensor, least: float, generator: torch.Generator) -> Tensor:
    """A random part, of `least` to 100 % of the area, brought to the full size."""
    return resized_crop(x, least, generator)


def gray(x: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Luma in every channel."""
    if x.shape[1] == 1:
        return x
    return (x * x.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True).expand_as(x)


WAYS: dict[str, tuple[Way, float, float, float]] = {
    "jpeg": (jpeg, 75, 1, 95),
    "resize": (resize, 0.5, 0.1, 1),
    "crop": (crop, 50, 5, 100),
    "gray": (gray, 1, 1, 1),
}
"""Each name's function, its usual amount, which `name:amount` overrides, and the limits of it."""


def through(x: Tensor, names: Sequence[str], generator: torch.Generator) -> Tensor:
    """Each image as it is, or after one of the ways: which of these, is drawn.

    Args:
        x: images (n, C, H, W) in [0, 1].
        names: such as `("jpeg:75", "gray")`.
        generator: decides who goes which way.

    Raises:
        SettingError: an unknown name, an amount that does not fit, or kornia is missing for JPEG.

    Example:
        >>> through(torch.zeros(4, 3, 8, 8), ("gray", "crop:50"), torch.Generator()).shape
        torch.Size([4, 3, 8, 8])
    """
    ways = ways_of(names)
    drawn = torch.randint(len(ways) + 1, (len(x),), generator=generator, device=generator.device)
    out = x.clone()
    for place, (way, amount) in enumerate(ways):
        rows = (drawn == place).nonzero().flatten().to(x.device)
        if len(rows):
            out[rows] = way(x[rows].float(), amount, generator).clamp(0, 1).to(x.dtype)
    return out


def ways_of(names: Sequence[str]) -> list[tuple[Way, float]]:
    """The functions and amounts that names such as `jpeg:75` stand for; raises as `through`."""
    found = []
    for text in names:
        name, _, given = text.partition(":")
        if name not in WAYS:
            raise unknown("way to survive", name, WAYS)
        way, usual, least, most = WAYS[name]
        try:
            amount = float(given) if given else usual
        except ValueError:
            amount = float("nan")
        if not least <= amount <= most:
            raise SettingError(
                f"to survive {text!r}: write a number from {least:g} to {most:g}, as in "
                f"{name}:{usual:g}."
            )
        if way is jpeg and find_spec("kornia") is None:
            raise SettingError(
                "noise that survives JPEG is found with kornia: pip install 'unlearnable[augment]'."
            )
        found.append((way, amount))
    return found


def _at(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False)
