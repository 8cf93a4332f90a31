"""Stored images changed on the device: what countermeasures of the `prepare` hook share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from unlearnable.data.imageset import ImageSet
from unlearnable.runtime import Run

CHUNK = 2**20  # values at a time


def changed(train: ImageSet, function: Callable[[Tensor], Tensor], run: Run) -> ImageSet:
    """The set with each image as a function leaves it, rounded to whole levels.

    Args:
        train: the suspect images.
        function: from images (n, C, H, W) in 0..255, float32, to images of the same shape.
        run: the device.
    """
    count = max(1, CHUNK // train.images[0].size)
    chunks = torch.split(run.upload(train.images), count)
    levels = [function(chunk.float()).round().clamp(0, 255).to(torch.uint8) for chunk in chunks]
    return replace(train, images=torch.cat(levels).permute(0, 2, 3, 1).cpu().contiguous().numpy())
