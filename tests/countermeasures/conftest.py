from collections.abc import Callable
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def save_pipeline() -> Callable[..., None]:
    """Save a tiny diffusion pipeline that has learnt nothing in a folder."""
    diffusers = pytest.importorskip("diffusers")

    def save(folder: Path, *, channels: int = 3) -> None:
        torch.manual_seed(0)
        unet = diffusers.UNet2DModel(
            sample_size=16,
            in_channels=channels,
            out_channels=channels,
            layers_per_block=1,
            block_out_channels=(4, 8),
            norm_num_groups=2,
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
        )
        scheduler = diffusers.DDPMScheduler(num_train_timesteps=20)
        diffusers.DDPMPipeline(unet, scheduler).save_pretrained(folder)

    return save
