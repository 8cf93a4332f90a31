from __future__ import annotations

from typing import Any

import pytest

from unlearnable.errors import SettingError
from unlearnable.schedules import SCHEDULES, Schedule, schedule_for


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
        SettingError,
        match=r"'slow': choose one of quick, fast, photos, demo, paper:cifar10, .*, paper",
    ):
        schedule_for("slow", "cifar10")


def test_the_scale_of_the_paper_is_refused_for_other_data_with_the_rows_there_are() -> None:
    with pytest.raises(SettingError, match="for shapes: choose one of paper:cifar10, paper:svhn"):
        schedule_for("paper", "shapes")


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"learning_rate": 0}, {"policy": "linear"}])
def test_a_schedule_that_trains_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="Schedule: "):
        Schedule(**wrong)
