"""Surrogates: new ones, and those trained on clean images, once for all searches that may share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from unlearnable.data.imageset import ImageSet
from unlearnable.freezing import frozen
from unlearnable.models import make_model
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.storage import sha256_json
from unlearnable.training import fit

SURROGATE = "resnet18:16"
"""The usual surrogate. A wider one knows the pictures better, and asks for noise to go with them: a
ResNet-18 of width 32 that learns from what this one asked for reaches less than from its own."""

Preset = Literal["quick", "paper"]
"""As small as two cores allow, or as published."""
Presets = Mapping[Preset, Mapping[str, Any]]
"""What settings are that were left out."""


def surrogate_for(
    images: ImageSet, name: str, run: Run, *, norm_momentum: float | None = None
) -> nn.Module:
    """An untrained network for these images, its weights drawn by the seed of `run`.

    Args:
        images: what it is to tell apart.
        name: of the model.
        run: the seed.
        norm_momentum: of the statistics that its batch norm keeps; None: the usual.
    """
    model = make_model(
        name, len(images.classes), min(images.size), channels=images.channels, seed=run.seed
    )
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d) and norm_momentum is not None:
            part.momentum = norm_momentum
    return model


class Ensemble(nn.Module):
    """Several networks as one, which says the mean of what they say."""

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        """The mean of their logits, (n, classes)."""
        return torch.stack([network(x) for network in self.networks]).mean(0)


def trained_surrogate(
    images: ImageSet, name: str, schedule: Schedule, run: Run, which: int = 0
) -> nn.Module:
    """A network trained on images without noise, frozen; one of several, if `which` says so.

    It is kept in `run.cache`, by all that it depends on, and found there by whoever wants the same;
    without a cache it goes on from `run.state`.
    """
    seeded = run.seeded("surrogate", which) if which else run.seeded("surrogate")
    job = f"surrogate-{which}" if which else "surrogate"
    if run.cache is not None:
        wanted = [images.digest(), name, schedule.settings(), seeded.seed, run.precision]
        job = f"surrogate-{sha256_json(wanted)[:16]}"
    kept = replace(seeded, state=run.cache or run.state)
    model = surrogate_for(images, name, seeded)
    return frozen(fit(model, images, schedule=schedule, run=kept, job=job).model, run.dtype)
