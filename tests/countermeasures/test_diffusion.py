from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unlearnable.countermeasures.diffusion import Diffusion, purified
from unlearnable.data.shapes import shapes
from unlearnable.errors import MissingExtraError, SettingError
from unlearnable.runtime import Run

RUN = Run.start("cpu", precision="float32", seed=0)


@pytest.fixture
def tiny(save_pipeline: Callable[..., None], tmp_path: Path) -> Diffusion:
    save_pipeline(tmp_path / "pipeline")
    return Diffusion(str(tmp_path / "pipeline"))


def test_noise_goes_where_the_model_knows_the_clean_image() -> None:
    scheduler = pytest.importorskip("diffusers").DDPMScheduler()
    clean = RUN.upload(shapes(20).images).float() / 127.5 - 1
    noise = torch.rand(clean.shape, generator=torch.Generator().manual_seed(0)).sub(0.5).sign()

    class Knowing:
        config = SimpleNamespace(in_channels=3, sample_size=32)

        def __call__(self, x: Tensor, time: int) -> Any:
            kept = scheduler.alphas_cumprod[time]
            return SimpleNamespace(sample=(x - kept.sqrt() * clean) / (1 - kept).sqrt())

    protected = (clean + noise * 8 / 127.5).clamp(-1, 1)
    found = purified(protected, Knowing(), scheduler, 0.1, RUN.generator("test"))
    left = [((x - clean) * noise).mean().item() * 127.5 for x in (protected, found)]
    assert left[0] > 7
    assert abs(left[1]) < 0.1


def test_more_of_the_schedule_changes_more(tiny: Diffusion) -> None:
    some = shapes(10)

    def change(share: float) -> float:
        found = replace(tiny, share=share).prepare(some, run=RUN).images
        return float(np.abs(found.astype(int) - some.images).mean())

    assert 0 < change(0.05) < change(0.5)


@pytest.mark.parametrize(("channels", "height", "width"), [(3, 32, 32), (1, 32, 32), (3, 20, 28)])
def test_a_pipeline_from_the_disk_takes_images_of_any_size(
    tiny: Diffusion, channels: int, height: int, width: int
) -> None:
    some = shapes(10)
    some = replace(some, images=some.images[:, :height, :width, :channels])
    found, again = (tiny.prepare(some, run=RUN).images for _ in range(2))
    other = tiny.prepare(some, run=replace(RUN, seed=1)).images
    assert (found.shape, found.dtype) == (some.images.shape, np.uint8)
    assert (found != some.images).any()
    assert (found == again).all()
    assert (found != other).any()


def test_a_pipeline_for_grey_images_is_refused_for_others(
    save_pipeline: Callable[..., None], tmp_path: Path
) -> None:
    save_pipeline(tmp_path, channels=1)
    with pytest.raises(SettingError, match="is for grey images"):
        Diffusion(str(tmp_path)).prepare(shapes(10), run=RUN)


@pytest.mark.parametrize("damaged", ["unet/config.json", "scheduler/scheduler_config.json"])
def test_a_folder_without_a_pipeline_is_refused(tiny: Diffusion, damaged: str) -> None:
    Path(tiny.pipeline, damaged).write_text("{")
    for countermeasure in (tiny, Diffusion("absent"), Diffusion()):
        with pytest.raises(SettingError, match="is no pipeline"):
            countermeasure.prepare(shapes(10), run=RUN)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtraError, match=r"\[diffusion\]"):
        Diffusion("folder").prepare(shapes(10), run=RUN)


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="share=0 is out of range"):
        Diffusion("folder", share=0)
