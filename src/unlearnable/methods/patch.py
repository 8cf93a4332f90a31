"""Noise that is confined to a square of an image: Huang et al., ICLR 2021, appendix."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Place = Literal["centre", "random"]


def corners(
    count: int, side: int, size: tuple[int, int], place: Place, generator: torch.Generator
) -> Tensor:
    """Top and left of a square for each of `count` images of a size, (count, 2)."""
    room = torch.tensor([size[0] - side, size[1] - side], device=generator.device)
    if place == "centre":
        return (room // 2).expand(count, 2)
    draws = torch.rand((count, 2), generator=generator, device=generator.device)
    return (draws * (room + 1)).long()


def window(places: Tensor, side: int, size: tuple[int, int]) -> Tensor:
    """1 within each image's square and 0 elsewhere, (n, 1, H, W)."""
    inside = []
    for axis, length in enumerate(size):
        first = places[:, axis, None]
        pixels = torch.arange(length, device=places.device)
        inside.append((pixels >= first) & (pixels < first + side))
    return (inside[0][:, None, :, None] & inside[1][:, None, None, :]).float()


def pasted(noise: Tensor, places: Tensor, size: tuple[int, int]) -> Tensor:
    """Squares (n, C, side, side), each at its place in nothing, (n, C, H, W)."""
    count, channels, side, _ = noise.shape
    whole = noise.new_zeros((count, channels, *size))
    image, rows, columns = _pixels(places, side)
    whole[image, :, rows, columns] = noise.permute(0, 2, 3, 1)
    return whole


def cut(whole: Tensor, places: Tensor, side: int) -> Tensor:
    """The squares (n, C, side, side) of images (n, C, H, W): undoes `pasted`."""
    image, rows, columns = _pixels(places, side)
    return whole[image, :, rows, columns].permute(0, 3, 1, 2)


def _pixels(places: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    image = torch.arange(len(places), device=places.device)[:, None, None]
    along = torch.arange(side, device=places.device)
    return image, places[:, :1, None] + along[:, None], places[:, 1:, None] + along[None, :]
