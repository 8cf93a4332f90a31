"""Purification by diffusion: images are drowned in noise to a part, and brought back.

Nie et al., "Diffusion Models for Adversarial Purification", ICML 2022, arXiv 2205.07460
(DiffPure); on protected images Dolatabadi et al., "The Devil's Advocate: Shattering the Illusion of
Unexploitable Data using Diffusion Models", 2023, arXiv 2303.08500 (AVATAR).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearnable.countermeasures.stored import changed
from unlearnable.data.imageset import ImageSet
from unlearnable.errors import MissingExtraError, SettingError
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class Diffusion(Countermeasure):
    """Each image through a diffusion model of yours; needs the extra [diffusion].

    Takes as many passes of its UNet an image as there are steps in that share of its schedule: a
    thing for a GPU.

    Example:
        >>> Diffusion("ddpm-cifar10").share
        0.1
    """

    source: ClassVar[str] = "Nie et al., ICML 2022; Dolatabadi et al., 2023"
    called: ClassVar[str] = "diffusion purification"

    pipeline: str = setting("", "a folder that diffusers saved: an unconditional DDPM pipeline")
    share: float = setting(
        0.1, "of the schedule up to which noise is added, and from there removed", above=0, most=1
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def cost(self) -> float:
        """A pass of the usual UNet is about four trainings, and the usual schedule 1,000 steps."""
        return 1 + 4000 * self.share

    @property
    def files(self) -> tuple[Path, ...]:
        """The network and its schedule."""
        parts = (Path(self.pipeline, part) for part in ("unet", "scheduler"))
        return tuple(file for part in parts for file in sorted(part.glob("*")))

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Purified, each image at its own size.

        Raises:
            MissingExtraError: diffusers is not installed.
            SettingError: no pipeline in that folder, or one for grey images and these have colour.
        """
        unet, scheduler = _opened(self.pipeline)
        if unet.config.in_channels < train.channels:
            raise SettingError(
                f"diffusion: the pipeline {self.pipeline} is for grey images, and these have "
                "colour: put gray first and name another pipeline."
            )
        unet, draws = unet.to(run.device).eval(), run.generator("diffusion")
        done = 0

        def pure(x: Tensor) -> Tensor:
            nonlocal done
            with run.autocast():
                levels = (purified(x / 127.5 - 1, unet, scheduler, self.share, draws) + 1) * 127.5
            done += len(x)
            run.tell("purify", done / len(train))
            return levels

        return changed(train, pure, run)


@torch.no_grad()
def purified(
    x: Tensor, unet: Any, scheduler: Any, share: float, generator: torch.Generator
) -> Tensor:
    """Images that a diffusion model finds likely, near those of x.

    Args:
        x: (n, C, H, W) in [-1, 1].
        unet: a model of diffusers that foretells what `scheduler` wants, usually the noise.
        scheduler: a DDPMScheduler.
        share: of the schedule, 0 to 1.
        generator: for the noise.
    """
    channels, size, side = x.shape[1], x.shape[2:], unet.config.sample_size
    x = x.expand(-1, unet.config.in_channels, -1, -1)
    x = F.interpolate(x, side, mode="bilinear", antialias=True)
    last = max(1, round(share * scheduler.config.num_train_timesteps))
    noise = torch.randn(x.shape, generator=generator, device=generator.device).to(x.device)
    x = scheduler.add_noise(x, noise, torch.tensor([last - 1], device=x.device))
    for time in reversed(range(last)):
        foretold = unet(x, time).sample.float()
        x = scheduler.step(foretold, time, x, generator=generator).prev_sample
    x = F.interpolate(x, size, mode="bilinear", antialias=True)
    return x if x.shape[1] == channels else x.mean(1, keepdim=True)


def _opened(folder: str) -> tuple[Any, Any]:
    """The UNet of a pipeline, and its schedule in the form of Ho et al., 2020."""
    try:
        diffusers = import_module("diffusers")
    except ImportError as error:
        raise MissingExtraError("diffusion", "diffusion") from error
    if not Path(folder, "unet").is_dir():
        raise _no_pipeline(folder)
    try:
        unet = diffusers.UNet2DModel.from_pretrained(
            Path(folder, "unet"),
            local_files_only=True,
            use_safetensors=True,
            low_cpu_mem_usage=False,
        )
        schedule = diffusers.DDPMScheduler.from_pretrained(
            Path(folder, "scheduler"), local_files_only=True
        )
    except (OSError, ValueError) as error:
        raise _no_pipeline(folder) from error
    return unet, schedule


def _no_pipeline(folder: str) -> SettingError:
    return SettingError(
        f"diffusion: {folder or 'no folder'!r} is no pipeline: name a folder that "
        "save_pretrained() of diffusers wrote, as in diffusion:ddpm-cifar10."
    )
