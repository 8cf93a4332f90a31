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
from unlearnable.freezing import frozen
from unlearnable.learner import Learner
from unlearnable.models import make_model
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.scoring import mean_recall
from unlearnable.training import Fitted, fit, predict, shuffled

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
    again = predict(frozen(found.model, run.dtype), tests, run)
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


def test_averaged_weights_count_and_are_kept_through_a_resumed_run(tmp_path: Path) -> None:
    schedule = replace(SHORT, average=0.9, label_smoothing=0.1)
    model = fresh()
    whole = fit(model, coloured(), schedule=schedule, run=circumstances())
    assert not same_weights(whole.model, model), "the mean is not the last"
    fitted(replace(schedule, epochs=4), state=tmp_path)
    assert same_weights(fitted(schedule, state=tmp_path).model, whole.model)


def test_the_mean_of_weights_that_stand_still_is_those_weights() -> None:
    learner = Learner(fresh(), circumstances(), momentum=0, weight_decay=0, clip=None, average=0.5)
    x, y = torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    learner.step(x, y, rate=0.0)
    assert all(
        torch.equal(a, b)
        for a, b in zip(learner.best.parameters(), learner.model.parameters(), strict=True)
    )


def test_smoothed_labels_have_the_loss_of_their_mixture() -> None:
    x, y = torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])

    def loss(labels: Tensor, smoothing: float = 0.0) -> float:
        learner = Learner(
            fresh(), circumstances(), momentum=0, weight_decay=0, clip=None,
            label_smoothing=smoothing,
        )  # fmt: skip
        return float(learner.step(x, labels, rate=0.0))

    every = sum(loss(torch.full_like(y, label)) for label in range(3)) / 3
    assert loss(y, 0.3) == pytest.approx(0.7 * loss(y) + 0.3 * every, rel=1e-5)


def test_a_curve_follows_some_of_many_test_images_and_the_end_is_told_by_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("unlearnable.training.CURVE", 10)
    tests = coloured(30, seed=1)
    found = fitted(replace(SHORT, epochs=2, learning_rate=0.01), test=tests)
    assert found.predictions is not None and len(found.predictions) == 30
    some = np.arange(0, 30, 3)
    score = mean_recall(found.predictions[some], tests.labels[some], 3)
    assert found.curve[-1].accuracy == score


def test_a_last_batch_too_small_for_batch_norm_is_left_out() -> None:
    def sizes(count: int, batch_size: int) -> list[int]:
        return [len(rows) for rows in shuffled(count, batch_size, circumstances(), 0)]

    assert sizes(130, 64) == [64, 64]
    assert sizes(132, 64) == [64, 64, 4]
    assert sizes(3, 64) == [3]
    assert sizes(1, 64) == []


def test_a_network_sees_training_and_test_images_on_squares_of_the_schedules_side() -> None:
    seen = set()

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = fresh()

        def forward(self, x: Tensor) -> Tensor:
            seen.add((self.training, *x.shape[2:]))
            return self.network(x)

    data = coloured()
    large = replace(data, images=np.kron(data.images, np.ones((1, 3, 2, 1), np.uint8)))
    assert large.size == (24, 16)
    schedule = replace(SHORT, augmentations="resized-crop:50 flip", side=12)
    found = fit(Watched(), large, schedule=schedule, run=circumstances(), test=large)
    assert {size[1:] for size in seen} == {(12, 12)} and len(found.predictions) == len(large)


def test_the_settings_of_a_schedule_are_what_they_were_before_it_had_a_side() -> None:
    assert "side" not in SHORT.settings()
    assert replace(SHORT, side=64).settings() == {**SHORT.settings(), "side": 64}
