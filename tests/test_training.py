from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unlearnable.data.gather import from_arrays
from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.models import frozen, make_model
from unlearnable.runtime import Run
from unlearnable.scoring import mean_recall
from unlearnable.training import (
    SCHEDULES,
    Fitted,
    Learner,
    Schedule,
    fit,
    predict,
    schedule_for,
    shuffled,
)

SHORT = Schedule(epochs=4, batch_size=8, learning_rate=0.05, augmentations="crop:1 flip")


def coloured(count: int = 40, seed: int = 0) -> ImageSet:
    """Reddish, greenish and bluish noise: nothing is easier to tell apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 3
    images = rng.integers(0, 60, (count, 8, 8, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 150
    return from_arrays(images, labels, ["red", "green", "blue"], source="colours")


def fresh() -> nn.Module:
    return make_model("resnet18:4", 3, 8)


def circumstances(**others: Any) -> Run:
    return replace(Run.start("cpu", precision="float32", seed=3), **others)


def fitted(schedule: Schedule = SHORT, test: ImageSet | None = None, **others: Any) -> Fitted:
    return fit(fresh(), coloured(), schedule=schedule, run=circumstances(**others), test=test)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_one_cycle_starts_low_peaks_at_the_learning_rate_and_ends_at_nought() -> None:
    schedule = Schedule(epochs=10, learning_rate=0.4)
    rates = [schedule.rate(step / 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.4 * 0.04)
    assert max(rates) == rates[30] == pytest.approx(0.4)
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_cosine_falls_from_epoch_to_epoch() -> None:
    schedule = Schedule(epochs=4, learning_rate=0.1, policy="cosine")
    rates = [schedule.rate(step / 8) for step in range(9)]
    assert rates[0::2] == pytest.approx([0.1, 0.0853553, 0.05, 0.0146447, 0], abs=1e-6)
    assert rates[1::2] == rates[0:8:2]


@pytest.mark.parametrize("epochs", [5, 10, 15, 35, 60])
def test_steps_divide_by_ten_at_60_and_80_percent(epochs: int) -> None:
    schedule = Schedule(epochs=epochs, learning_rate=0.5, policy="steps")
    rates = [schedule.rate(epoch / epochs) for epoch in range(epochs)]
    fifth = epochs // 5
    expected = [0.5] * (3 * fifth) + [0.05] * fifth + [0.005] * fifth
    assert rates == pytest.approx(expected)


def test_the_paper_has_a_schedule_for_each_of_its_data_sets() -> None:
    assert schedule_for("quick", "anything") == Schedule()
    for source in ("cifar10", "cifar100", "svhn", "imagenet"):
        schedule = schedule_for("paper", source)
        assert schedule == schedule_for(f"paper:{source}", "shapes") == SCHEDULES[f"paper:{source}"]
        assert (schedule.policy, schedule.learning_rate) == ("cosine", 0.1)


def test_an_unknown_scale_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(
        SettingError, match=r"'fast': choose one of quick, demo, paper:cifar10, .*, paper"
    ):
        schedule_for("fast", "cifar10")


def test_the_scale_of_the_paper_is_refused_for_other_data_with_the_rows_there_are() -> None:
    with pytest.raises(SettingError, match="for shapes: choose one of paper:cifar10, paper:svhn"):
        schedule_for("paper", "shapes")


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"learning_rate": 0}, {"policy": "linear"}])
def test_a_schedule_that_trains_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="Schedule: "):
        Schedule(**wrong)


def test_what_is_easy_to_tell_apart_is_learnt_to_the_last_image() -> None:
    data, model = coloured(60), make_model("resnet18:8", 3, 8)
    schedule = Schedule(epochs=16, batch_size=20, learning_rate=0.02, augmentations="")
    found = fit(model, data, schedule=schedule, run=circumstances(), test=data)
    assert found.model is model
    assert found.curve[-1].accuracy == 1
    assert found.curve[-1].loss < 0.5 * found.curve[0].loss
    assert np.array_equal(found.predictions, data.labels)


def test_without_test_images_there_are_no_predictions() -> None:
    found = fitted(replace(SHORT, epochs=1))
    assert found.predictions is None
    assert found.curve[0].accuracy is None


def test_the_last_epoch_is_what_is_reported() -> None:
    tests = coloured(30, seed=1)
    found = fitted(replace(SHORT, epochs=2, learning_rate=0.01), test=tests)
    run = circumstances()
    again = predict(frozen(found.model, run.dtype), run.upload(tests.images), run)
    assert np.array_equal(found.predictions, again)
    assert len(found.curve) == 2
    assert found.curve[-1].accuracy == mean_recall(again, tests.labels, 3)


def test_the_same_seed_trains_the_same_network() -> None:
    one, same, other = (fitted(seed=seed) for seed in (3, 3, 4))
    assert same_weights(one.model, same.model)
    assert one.curve == same.curve
    assert not same_weights(one.model, other.model)


def killed_after(epoch: int) -> Callable[..., None]:
    def tell(stage: str, done: float, /, **figures: object) -> None:
        if figures["epoch"] == epoch:
            raise KeyboardInterrupt

    return tell


@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_killed_training_goes_on_to_the_very_same_network(
    tmp_path: Path, clip: float | None
) -> None:
    schedule, tests = replace(SHORT, clip=clip), coloured(30, seed=1)
    for epoch in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            fitted(schedule, tests, state=tmp_path, tell=killed_after(epoch))
    told: list[object] = []
    resumed = fitted(
        schedule,
        tests,
        state=tmp_path,
        tell=lambda stage, done, /, **figures: told.append(figures["epoch"]),
    )
    whole = fitted(schedule, tests)
    assert told == [4]
    assert same_weights(resumed.model, whole.model)
    assert resumed.curve == whole.curve
    assert np.array_equal(resumed.predictions, whole.predictions)


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    tests = coloured(30, seed=1)
    whole = fitted(test=tests, state=tmp_path)
    again = fitted(test=tests, state=tmp_path, tell=killed_after(4))
    assert same_weights(again.model, whole.model)
    assert again.curve == whole.curve
    assert np.array_equal(again.predictions, whole.predictions)


@pytest.mark.parametrize("others", [{"seed": 4}, {"schedule": replace(SHORT, epochs=5)}])
def test_a_training_is_not_resumed_under_other_settings(
    tmp_path: Path, others: dict[str, Any]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fitted(state=tmp_path, tell=killed_after(1))
    with pytest.raises(SettingError, match="left by a run with other settings"):
        fitted(**{"state": tmp_path, **others})


def test_a_training_is_not_resumed_on_other_images(tmp_path: Path) -> None:
    run = circumstances(state=tmp_path, tell=killed_after(1))
    with pytest.raises(KeyboardInterrupt):
        fit(fresh(), coloured(), schedule=SHORT, run=run)
    with pytest.raises(SettingError, match="left by a run with other settings"):
        fit(fresh(), coloured(seed=1), schedule=SHORT, run=run)


def test_every_image_is_seen_once_an_epoch_in_an_order_of_its_own() -> None:
    orders = [torch.cat(list(shuffled(10, 4, circumstances(), epoch))) for epoch in (0, 0, 1)]
    assert all(order.sort().values.tolist() == list(range(10)) for order in orders)
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_a_last_batch_of_one_image_is_left_out() -> None:
    assert [len(rows) for rows in shuffled(9, 4, circumstances(), 0)] == [4, 4]
    assert [len(rows) for rows in shuffled(10, 4, circumstances(), 0)] == [4, 4, 2]


def change(clip: float | None, rate: float) -> float:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    nn.init.zeros_(model[1].weight)
    nn.init.zeros_(model[1].bias)
    learner = Learner(model, circumstances(), momentum=0, weight_decay=0, clip=clip)
    learner.step(torch.ones(2, 3, 2, 2), torch.tensor([0, 1]), rate)
    moved: list[Tensor] = [parameter.detach().flatten() for parameter in model.parameters()]
    return float(torch.cat(moved).norm())


def test_a_step_follows_the_rate_and_clips_the_gradient() -> None:
    whole = change(None, 1)
    assert whole > 1
    assert change(None, 0.5) == pytest.approx(whole / 2)
    assert change(0.25, 1) == pytest.approx(0.25, rel=1e-4)
    assert change(100, 1) == pytest.approx(whole)
