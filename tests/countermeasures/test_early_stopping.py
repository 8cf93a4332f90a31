from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from unlearnable.countermeasures.early_stopping import EarlyStopping
from unlearnable.data.gather import from_arrays
from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import Countermeasure, Moment, Together
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.training import Fitted, fit


@dataclass(frozen=True)
class Misled(Countermeasure):
    """Halfway through the training, labels begin to lie."""

    def batch(self, x: Tensor, y: Tensor, *, moment: Moment) -> tuple[Tensor, Tensor]:
        return x, 1 - y if moment.progress >= 0.5 else y


def dark_and_bright(count: int = 64, seed: int = 0) -> ImageSet:
    labels = np.arange(count) % 2
    pixels = np.random.default_rng(seed).integers(0, 100, (count, 8, 8, 3))
    images = (pixels + 120 * labels[:, None, None, None]).astype(np.uint8)
    return from_arrays(images, labels, ["dark", "bright"], source="brightness")


def fitted(
    test: ImageSet | None = None, countermeasure: Countermeasure | None = None, **others: Any
) -> Fitted:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    nn.init.zeros_(model[1].weight)
    nn.init.zeros_(model[1].bias)
    schedule = Schedule(
        epochs=8, batch_size=16, learning_rate=0.05, augmentations="", policy="cosine"
    )
    return fit(
        model,
        dark_and_bright(),
        schedule=schedule,
        run=replace(Run.start("cpu", precision="float32"), **others),
        test=test,
        heldout=dark_and_bright(30, seed=1),
        countermeasure=countermeasure or Together((Misled(), EarlyStopping())),
    )


def killed_at(epoch: int) -> Any:
    def tell(stage: str, done: float, /, **figures: object) -> None:
        if figures["epoch"] == epoch:
            raise KeyboardInterrupt

    return tell


def test_the_best_epoch_on_heldout_images_is_kept_when_training_goes_wrong() -> None:
    tests = dark_and_bright(30, seed=2)
    found, last = fitted(tests), fitted(tests, Misled())
    heldout = [point.heldout for point in found.curve]
    assert found.epoch == 1 + heldout.index(max(heldout)) <= 4
    assert np.mean(found.predictions == tests.labels) == 1
    assert np.mean(last.predictions == tests.labels) < 0.6
    assert last.epoch == 8


def test_an_interrupted_training_keeps_the_same_epoch(tmp_path: Path) -> None:
    tests = dark_and_bright(30, seed=2)
    with pytest.raises(KeyboardInterrupt):
        fitted(tests, state=tmp_path, tell=killed_at(6))
    resumed, whole = fitted(tests, state=tmp_path), fitted(tests)
    assert (resumed.epoch, resumed.curve) == (whole.epoch, whole.curve)
    for name, value in whole.model.state_dict().items():
        assert value.equal(resumed.model.state_dict()[name]), name


def test_test_images_have_no_part_in_the_choice() -> None:
    tests = dark_and_bright(30, seed=2)
    against = replace(tests, labels=1 - tests.labels)
    assert fitted(against).epoch == fitted().epoch


def test_the_first_of_equals_is_kept() -> None:
    assert EarlyStopping().choose([0.1, 0.6, 0.2, 0.6]) == 1
