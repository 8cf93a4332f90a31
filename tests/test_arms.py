from __future__ import annotations

import numpy as np
import pytest

from unlearnable.arms import Arm, make_arms
from unlearnable.data.imageset import ImageSet
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.noise import Budget
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule

RUN = Run.start("cpu", seed=4)


def published(clean: ImageSet) -> ImageSet:
    return ImageSet(255 - clean.images, clean.labels, clean.classes, clean.origins, clean.source)


def protected_rows(arm: Arm, run: Run = RUN) -> np.ndarray:
    clean = shapes(100)
    mixed = arm.images(clean, published(clean), Budget(), run)
    return (mixed.images != clean.images).any((1, 2, 3))


def test_a_mix_protects_its_share_of_every_class_and_the_part_is_the_rest() -> None:
    clean = shapes(100)
    mix, part = make_arms(["mix:0.2"])
    chosen = protected_rows(mix)
    assert np.bincount(clean.labels[chosen]).tolist() == [2] * 10
    rest = part.images(clean, published(clean), Budget(), RUN)
    assert rest.names == tuple(np.array(clean.names)[~chosen])
    assert np.array_equal(rest.images, clean.images[~chosen])


def test_a_mix_by_classes_protects_whole_classes() -> None:
    (mix, _), labels = make_arms(["mix:0.3:classes"]), shapes(100).labels
    chosen = protected_rows(mix)
    assert len(np.unique(labels[chosen])) == 3 and chosen.sum() == 30


def test_another_seed_is_another_mix() -> None:
    mix = Arm("mix", 0.5)
    assert not np.array_equal(protected_rows(mix), protected_rows(mix, Run.start("cpu", seed=5)))


def test_a_part_takes_as_many_steps_as_its_mix() -> None:
    schedule = Schedule(epochs=15)
    assert Arm("part", 0.25).schedule(schedule).epochs * 0.75 == 15
    assert Arm("mix", 0.25).schedule(schedule) == schedule


def test_names_are_read_as_they_are_written() -> None:
    names = ["clean", "protected", "random", "mix:0.2", "part:0.2", "mix:0.5:classes"]
    assert [arm.name for arm in make_arms(names)] == [*names, "part:0.5:classes"]


@pytest.mark.parametrize("text", ["mix", "mix:1", "mix:0", "mix:half", "mix:0.2:photos", "clean:1"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="share"):
        make_arms([text])
