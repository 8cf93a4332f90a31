"""Batched augmentations on the device, each image with its own draw.

Every function takes images (N, C, H, W) in 0..255, uint8 or float, and returns the same shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearnable.errors import SettingError, unknown

LUMA = (0.299, 0.587, 0.114)


def crop(x: Tensor, padding: float, generator: torch.Generator) -> Tensor:
    """A window of the image's own size, from the image padded with black on each side."""
    pad, (count, channels, height, width) = int(padding), x.shape
    draws = torch.randint(2 * pad + 1, (2, count), generator=generator, device=generator.device)
    top, left = draws.to(x.device).view(2, count, 1, 1)
    high, wide = height + 2 * pad, width + 2 * pad
    image = torch.arange(count, device=x.device).view(-1, 1, 1)
    row = image * high + top + torch.arange(height, device=x.device).view(-1, 1)
    pixel = row * wide + left + torch.arange(width, device=x.device)
    pixels = F.pad(x, (pad,) * 4).permute(0, 2, 3, 1).reshape(-1, channels)
    # whole pixels by their number: the gradient of this costs little, that of a window much
    chosen = pixels.index_select(0, pixel.flatten())
    return chosen.view(count, height, width, channels).permute(0, 3, 1, 2)


def flip(x: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Left and right exchanged, with a chance in percent."""
    return torch.where(_drawn(x, chance, generator), x.flip(3), x)


def rotate(x: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    """A turn of up to so many degrees either way; corners black, nearest neighbour."""
    angle = _uniform(len(x), -degrees, degrees, generator) * math.pi / 180
    cos, sin, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
    aspect = x.shape[2] / x.shape[3]
    rows = [cos, -sin * aspect, none, sin / aspect, cos, none]
    return _sampled(x, torch.stack(rows, 1).view(-1, 2, 3), "nearest")


def resized_crop(x: Tensor, least: float, generator: torch.Generator) -> Tensor:
    """A random part of `least` to 100 % of the area, 3:4 to 4:3, brought to the full size."""
    area = _uniform(len(x), least / 100, 1, generator)
    ratio = _uniform(len(x), math.log(3 / 4), math.log(4 / 3), generator).exp()
    wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    across = _uniform(len(x), -1, 1, generator) * (1 - wide)
    down = _uniform(len(x), -1, 1, generator) * (1 - high)
    none = torch.zeros_like(wide)
    theta = torch.stack([wide, none, across, none, high, down], 1).view(-1, 2, 3)
    return _sampled(x, theta, "bilinear", outside="border")


def jitter(x: Tensor, strength: float, generator: torch.Generator, *, hue: float = 0.5) -> Tensor:
    """Brightness, contrast and saturation by up to `strength` percent, hue by `hue` of that.

    In this order; torchvision's ColorJitter draws the order anew for each image.
    """
    s = strength / 100
    draws = [
        _uniform(len(x), 1 - s, 1 + s, generator).view(-1, 1, 1, 1).to(x.device) for _ in range(3)
    ]
    x = (x.float() * draws[0]).clamp(0, 255)
    x = _blend(x, _grey(x).mean((2, 3), keepdim=True), draws[1])
    x = _blend(x, _grey(x), draws[2])
    turn = _uniform(len(x), -hue * s, hue * s, generator) * 2 * math.pi
    return _turned_hue(x, turn.to(x.device)).clamp(0, 255)


def gray(x: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Luma in every channel, with a chance in percent."""
    luma = _grey(x.float()).expand_as(x)
    return torch.where(_drawn(x, chance, generator), luma, x)


def contrastive(x: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """What contrastive learning augments with, at `strength` percent: crop, flip, jitter, grey.

    Wang et al., "Efficient Availability Attacks against Supervised and Contrastive Learning
    Simultaneously", 2024; at 100 % it is close to what SimCLR sees.
    """
    s = strength / 100
    x = flip(resized_crop(x, 100 - 90 * s, generator), 50, generator)
    jittered = jitter(x, 40 * s, generator, hue=0.25)
    x = torch.where(_drawn(x, 80 * s, generator), jittered, x)
    return gray(x, 20 * s, generator)


Augmentation = Callable[[Tensor, float, torch.Generator], Tensor]
AUGMENTATIONS: dict[str, tuple[Augmentation, float]] = {
    "crop": (crop, 4),
    "flip": (flip, 50),
    "rotate": (rotate, 20),
    "resized-crop": (resized_crop, 8),
    "jitter": (jitter, 40),
    "gray": (gray, 20),
    "contrastive": (contrastive, 60),
}
"""Each name's function and its usual amount, which `name:amount` overrides."""


def augment(x: Tensor, names: Sequence[str], generator: torch.Generator) -> Tensor:
    """Apply augmentations such as `("crop:4", "flip")` in order.

    Raises:
        SettingError: an unknown name, or an amount that is no number from 0.

    Example:
        >>> x = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
        >>> augment(x, ("crop:1", "flip"), torch.Generator()).shape
        torch.Size([2, 3, 8, 8])
    """
    for function, amount in resolve(names):
        x = function(x, amount, generator)
    return x


def resolve(names: Sequence[str]) -> list[tuple[Augmentation, float]]:
    """The functions and amounts that names such as `crop:4` stand for; raises as `augment`."""
    found = []
    for text in names:
        name, _, amount = text.partition(":")
        if name not in AUGMENTATIONS:
            raise unknown("augmentation", name, AUGMENTATIONS)
        function, usual = AUGMENTATIONS[name]
        found.append((function, _amount(text, amount) if amount else usual))
    return found


def _amount(text: str, amount: str) -> float:
    if amount.replace(".", "", 1).isdecimal():
        return float(amount)
    raise SettingError(f"augmentation {text!r}: write its amount as a number, as in crop:4.")


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    draws = torch.rand(count, generator=generator, device=generator.device)
    return low + (high - low) * draws


def _drawn(x: Tensor, chance: float, generator: torch.Generator) -> Tensor:
    """Which images something happens to, (n, 1, 1, 1), with a chance in percent."""
    return (_uniform(len(x), 0, 100, generator) < chance).to(x.device).view(-1, 1, 1, 1)


def _sampled(x: Tensor, theta: Tensor, mode: str, outside: str = "zeros") -> Tensor:
    grid = F.affine_grid(theta.to(x.device), list(x.shape), align_corners=False)
    return F.grid_sample(x.float(), grid, mode=mode, padding_mode=outside, align_corners=False)


def _grey(x: Tensor) -> Tensor:
    if x.shape[1] == 1:
        return x
    return (x * torch.tensor(LUMA, device=x.device).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _blend(x: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return (other + share * (x - other)).clamp(0, 255)


def _turned_hue(x: Tensor, angle: Tensor) -> Tensor:
    """Turn colours about the grey axis (Rodrigues' formula), which keeps their mean."""
    if x.shape[1] == 1:
        return x
    cos, sin = angle.cos().view(-1, 1, 1, 1), angle.sin().view(-1, 1, 1, 1)
    mean = x.mean(1, keepdim=True)
    across = (x.roll(1, 1) - x.roll(-1, 1)) / math.sqrt(3)
    return x * cos + across * sin + mean * (1 - cos)
