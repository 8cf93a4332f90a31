from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from unlearnable.countermeasures.dvae import DVAE
from unlearnable.data.imageset import ImageSet
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.runtime import Run

TINY = DVAE(epochs=1, width=2, batch_size=8)


def circumstances(**others: Any) -> Run:
    return replace(Run.start("cpu", precision="float32", seed=1), **others)


def small(count: int = 20, *, channels: int = 3, height: int = 16, width: int = 16) -> ImageSet:
    """The corners of shapes."""
    some = shapes(count)
    return replace(some, images=some.images[:, :height, :width, :channels])


def later(stage: str, done: float, /, **figures: object) -> None:
    if done >= 0.5:
        raise KeyboardInterrupt


def test_the_noise_of_a_class_is_found_and_taken_away(tmp_path: Path) -> None:
    clean = small(200)
    noise = np.random.default_rng(0).choice([-8, 8], (10, *clean.images.shape[1:]))
    planted = (clean.images + noise[clean.labels]).clip(0, 255).astype(np.uint8)
    countermeasure, run = DVAE(epochs=8, width=8, batch_size=8), circumstances(state=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        countermeasure.prepare(replace(clean, images=planted), run=replace(run, tell=later))
    first = load_file(tmp_path / "dvae.safetensors")["images"].transpose(0, 2, 3, 1)
    removed = planted - first.astype(float)
    means = np.stack([removed[clean.labels == label].mean(0) for label in range(10)])
    final = countermeasure.prepare(replace(clean, images=planted), run=run).images

    def left(images: NDArray[np.uint8]) -> float:
        """The share of the noise that is still there."""
        return float(((images - clean.images.astype(float)) * noise[clean.labels]).mean() / 64)

    assert np.corrcoef(means.ravel(), noise.ravel())[0, 1] > 0.5
    assert left(final) < left(first) < 0.6 * left(planted)


def test_a_killed_purification_goes_on_with_the_second_round(tmp_path: Path) -> None:
    whole, other = (TINY.prepare(small(), run=circumstances(seed=seed)).images for seed in (1, 2))
    with pytest.raises(KeyboardInterrupt):
        TINY.prepare(small(), run=circumstances(state=tmp_path, tell=later))
    resumed = TINY.prepare(small(), run=circumstances(state=tmp_path)).images
    again = TINY.prepare(small(), run=circumstances(state=tmp_path, tell=later)).images
    assert (resumed == whole).all() and (again == whole).all()
    assert (other != whole).any()


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 16, 16), (3, 15, 18)])
def test_images_of_any_shape_are_purified(channels: int, height: int, width: int) -> None:
    data = small(channels=channels, height=height, width=width)
    found = TINY.prepare(data, run=circumstances()).images
    assert (found.shape, found.dtype) == (data.images.shape, np.uint8)


def test_no_width_is_refused() -> None:
    with pytest.raises(SettingError, match="width=0 is out of range"):
        DVAE(width=0)
