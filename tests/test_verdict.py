from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest

from unlearnable import pairing
from unlearnable import verdict as verdicts
from unlearnable.report.public import DOUBTS
from unlearnable.verdict import Doubt, Verdict, doubts_of, judge, leaked, swapped, too_few

WORDS = {"gray": "greyscale conversion", "jpeg:10": "JPEG compression", "cutout:16": "cutout"}


def row(arm: str, countermeasure: str, accuracy: float, **others: Any) -> dict[str, Any]:
    learnability = (accuracy - 0.1) / 0.6
    return {
        "arm": arm,
        "countermeasure": countermeasure,
        "model": "resnet18:16",
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.02,
        "n": 2,
        "chance": 0.1,
        "learnability": learnability,
        "low": learnability - 0.05,
        "high": learnability + 0.05,
        "learnability_by_seed": [learnability - 0.02, learnability + 0.02],
        **others,
    }


def grid(**gray: Any) -> list[dict[str, Any]]:
    return [
        row("clean", "none", 0.7),
        row("clean", "gray", 0.68),
        row("protected", "none", 0.11),
        row("protected", "gray", 0.64, **gray),
        row("protected", "jpeg:10", 0.36),
        row("protected", "cutout:16", 0.13),
    ]


def verdict(rows: list[dict[str, Any]]) -> Verdict:
    return judge(rows, doubts_of(rows), WORDS)


def test_the_worst_countermeasure_is_the_verdict_in_plain_words() -> None:
    found = verdict(grid())
    assert (found.decided, found.countermeasure) == (True, "gray")
    assert found.learnability == pytest.approx(0.9)
    assert found.words == (
        "A model trained on these files reached 11 % on clean pictures (chance 10 %, unprotected "
        "70 %).",
        "After greyscale conversion it reached 64 %: this protection does not survive greyscale "
        "conversion.",
        "After JPEG compression it reached 36 %: that weakens this protection.",
        "It holds under cutout, where at most 13 % was reached.",
    )


def test_one_seed_and_no_countermeasure_are_said() -> None:
    found = verdict([row("clean", "none", 0.7), row("protected", "none", 0.11, n=1)])
    assert "No countermeasure was tried" in found.words[1]
    assert "one seed" in found.words[2]


def test_files_that_are_learnt_are_called_unprotected() -> None:
    found = verdict([row("clean", "none", 0.7), row("protected", "none", 0.69)])
    assert found.words[0].endswith("the files are not protected.")


def test_a_clean_arm_that_did_not_learn_forbids_a_verdict() -> None:
    rows = grid()
    rows[0]["accuracy_low"] = 0.18  # 10 % + a tenth of 90 % are needed
    found = verdict(rows)
    assert not found.decided and found.learnability is None
    assert "did not learn from clean images" in found.words[0]
    rows[0]["accuracy_low"] = 0.2
    assert verdict(rows).decided


def test_seeds_that_disagree_forbid_a_verdict() -> None:
    assert "seeds disagree" in verdict(grid(learnability_by_seed=[0.6, 0.85])).words[0]
    assert verdict(grid(learnability_by_seed=[0.66, 0.85])).decided


def test_an_interval_that_says_nothing_forbids_a_verdict() -> None:
    assert "0.30 to 0.90, and 0.5 is the widest" in verdict(grid(low=0.3, high=0.9)).words[0]
    assert "without end" in verdict(grid(low=None, high=None)).words[0]


def test_a_countermeasure_that_ruins_training_is_named_and_left_out() -> None:
    rows = [*grid(), row("clean", "blur", 0.2), row("protected", "blur", 0.9)]
    found = verdict(rows)
    assert found.countermeasure == "gray"
    (doubt,) = doubts_of(rows)
    assert not doubt.fatal and doubt.sentence.startswith("blur ruins the training")


def test_without_both_arms_there_is_no_verdict() -> None:
    assert not verdict([row("clean", "none", 0.7)]).decided
    alone = row("protected", "none", 0.1, learnability=None, learnability_by_seed=None)
    assert not verdict([alone]).decided


@pytest.mark.parametrize(
    ("exact", "near", "fatal"), [(5, 0, False), (6, 0, True), (0, 20, False), (0, 21, True)]
)
def test_leaks_are_counted_and_too_many_are_fatal(exact: int, near: int, fatal: bool) -> None:
    (doubt,) = leaked(exact, near, 100)
    assert doubt.fatal is fatal
    assert f"{exact + near} of 100 test images are training images" in doubt.sentence


def test_every_doubt_has_words_for_the_public() -> None:
    said = set(
        re.findall(r'Doubt\(\s*"(\w+)"', inspect.getsource(verdicts) + inspect.getsource(pairing))
    )
    assert said == set(DOUBTS)


def test_no_leak_is_no_doubt() -> None:
    assert leaked(0, 0, 100) == []


def test_three_test_images_of_a_class_are_too_few() -> None:
    assert too_few({"cat": 4, "dog": 4}) == []
    assert too_few({"cat": 40, "dog": 3}) == [
        Doubt("few", "the class dog has 3 test images: there must be 4 at least.")
    ]


def test_two_classes_that_the_clean_arm_exchanges_are_named() -> None:
    confusion = np.array([[1, 9, 0], [8, 1, 1], [0, 1, 9]])
    (doubt,) = swapped(confusion, ("cat", "dog", "ship"))
    assert "most test images of cat for dog" in doubt.sentence
    assert swapped(np.eye(3) + 1, ("cat", "dog", "ship")) == []
