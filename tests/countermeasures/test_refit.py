from __future__ import annotations

import numpy as np
import pytest

from unlearnable.countermeasures.refit import Refit
from unlearnable.data.gather import from_arrays
from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.freezing import frozen
from unlearnable.models import make_model
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.training import accuracy, fit

RUN = Run.start("cpu", precision="float32", seed=1)


def halves(count: int, seed: int, *, marked: bool = False) -> ImageSet:
    """The left or the right half is brighter; a mark in the corner gives it away at once."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = rng.integers(40, 200, (count, 8, 8, 3), dtype=np.uint8)
    images[labels == 0, :, :4] += 25
    images[labels == 1, :, 4:] += 25
    if marked:
        images[:, :3, :3] = 255 * labels[:, None, None, None]
    return from_arrays(images, labels, ["left", "right"], source="halves")


def test_only_the_last_layer_changes_and_clean_images_are_read_better() -> None:
    schedule = Schedule(epochs=3, batch_size=20, learning_rate=0.05, augmentations="")
    model, tests = make_model("resnet18:8", 2, 8), halves(200, seed=1)
    fit(model, halves(100, seed=0, marked=True), schedule=schedule, run=RUN)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    before = accuracy(frozen(model, RUN.dtype), tests, RUN)
    model = Refit().finish(model, halves(200, seed=2), run=RUN)
    after = accuracy(frozen(model, RUN.dtype), tests, RUN)
    assert after > before + 0.15
    changed = {name for name, value in model.state_dict().items() if not value.equal(state[name])}
    assert changed == {"head.weight", "head.bias"}


def test_the_layer_that_was_there_has_no_part_in_the_new_one() -> None:
    model, heldout = make_model("resnet18:2", 2, 8), halves(30, seed=0)
    one, other = (Refit().finish(model, heldout, run=RUN).get_submodule("head") for _ in range(2))
    assert one.weight.equal(other.weight) and one.bias.equal(other.bias)


def test_weight_decay_keeps_weights_small() -> None:
    heldout = halves(30, seed=0)

    def size(weight_decay: float) -> float:
        model = Refit(weight_decay).finish(make_model("resnet18:2", 2, 8), heldout, run=RUN)
        return float(model.get_submodule("head").weight.detach().norm())

    assert 0 < size(1.0) < 0.5 * size(0.01)


def test_a_weight_decay_of_nothing_is_refused() -> None:
    with pytest.raises(SettingError, match="weight_decay=0 is out of range"):
        Refit(0)
