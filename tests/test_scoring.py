from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unlearnable.scoring import (
    confusion,
    learnability,
    mean_recall,
    recalls,
    verification,
)

Ints = NDArray[np.int64]
CLASSES = 4


def balanced(each: int) -> Ints:
    return np.arange(CLASSES * each, dtype=np.int64) % CLASSES


def predicted(labels: Ints, wrong: float, seed: int = 0) -> Ints:
    """Predictions of which a share in each class is wrong, at places that the seed decides."""
    rng = np.random.default_rng(seed)
    predictions = labels.copy()
    for label in range(CLASSES):
        places = rng.permutation(np.flatnonzero(labels == label))
        predictions[places[: round(wrong * len(places))]] = (label + 1) % CLASSES
    return predictions


LABELS = balanced(40)
CLEAN = predicted(LABELS, 0.1)


def score(arm: list[Ints], clean: list[Ints], labels: Ints = LABELS) -> Any:
    return learnability(arm, clean, labels, CLASSES)


def test_learnability_is_nought_at_chance() -> None:
    constant = np.zeros_like(LABELS)
    assert score([constant], [CLEAN]).value == 0
    assert score([predicted(LABELS, 0.75)], [CLEAN]).value == pytest.approx(0)


def test_learnability_is_one_for_the_clean_arm() -> None:
    assert score([CLEAN], [CLEAN]).value == 1


def test_learnability_is_not_clipped() -> None:
    assert score([LABELS], [CLEAN]).value == pytest.approx(0.75 / 0.65)
    assert score([predicted(LABELS, 1)], [CLEAN]).value == pytest.approx(-0.25 / 0.65)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([0.2, 0.5, 0.7]), st.integers(1, 3), st.integers(0, 9))
def test_the_interval_holds_the_value(wrong: float, seeds: int, first: int) -> None:
    arm = [predicted(LABELS, wrong, first + 2 * place) for place in range(seeds)]
    clean = [predicted(LABELS, 0.1, first + 2 * place + 1) for place in range(seeds)]
    found = score(arm, clean)
    assert found.low < found.value < found.high
    assert found.seeds == seeds


def test_the_interval_shrinks_with_the_root_of_the_number_of_test_images() -> None:
    widths = []
    for each in (20, 320):
        labels = balanced(each)
        found = score([predicted(labels, 0.5)], [predicted(labels, 0.1, 1)], labels)
        widths.append(found.high - found.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.15)


def test_seeds_that_disagree_widen_the_interval() -> None:
    clean = [predicted(LABELS, 0.1, seed) for seed in range(3)]
    agreeing = score([predicted(LABELS, 0.5, seed) for seed in range(3)], clean)
    differing = score([predicted(LABELS, 0.2 + 0.3 * seed, seed) for seed in range(3)], clean)
    assert differing.value == pytest.approx(agreeing.value)
    assert differing.high - differing.low > 2 * (agreeing.high - agreeing.low)


@pytest.mark.parametrize("seeds", [1, 3])
def test_arms_that_predict_the_same_have_an_interval_of_no_width(seeds: int) -> None:
    runs = [predicted(LABELS, 0.1 * (seed + 1), seed) for seed in range(seeds)]
    found = score(runs, runs)
    assert (found.low, found.value, found.high) == (1, 1, 1)


def test_arms_that_err_on_the_same_images_have_a_narrower_interval() -> None:
    worse = CLEAN.copy()
    worse[:CLASSES] = (LABELS[:CLASSES] + 1) % CLASSES
    wrong = 1 - mean_recall(worse, LABELS, CLASSES)
    paired, unpaired = score([worse], [CLEAN]), score([predicted(LABELS, wrong, 9)], [CLEAN])
    assert unpaired.value == pytest.approx(paired.value)
    assert paired.high - paired.low < 0.7 * (unpaired.high - unpaired.low)


def test_the_same_seed_resamples_alike() -> None:
    arm = [predicted(LABELS, 0.5, 1)]
    assert score(arm, [CLEAN]) == score(arm, [CLEAN])
    other = learnability(arm, [CLEAN], LABELS, CLASSES, seed=1)
    assert (other.value, other.low) != (score(arm, [CLEAN]).value, score(arm, [CLEAN]).low)


def test_learnability_against_a_clean_arm_at_chance_is_no_number() -> None:
    found = score([CLEAN], [np.zeros_like(LABELS)])
    assert math.isnan(found.value)
    assert math.isnan(found.low)


def test_accuracy_is_the_mean_recall_of_unbalanced_classes() -> None:
    labels = np.array([0] * 98 + [1, 1])
    assert mean_recall(np.zeros(100, np.int64), labels, 2) == 0.5
    assert mean_recall(np.where(labels == 1, 1, 0), labels, 2) == 1
    assert recalls(np.array([0] * 49 + [1] * 49 + [1, 0]), labels, 2).tolist() == [0.5, 0.5]


def test_learnability_counts_unbalanced_classes_alike() -> None:
    labels = np.repeat(np.arange(CLASSES), [97, 1, 1, 1])
    constant = np.zeros_like(labels)
    assert score([constant], [labels], labels).value == 0


def test_a_class_without_images_does_not_count() -> None:
    labels = np.array([0, 0, 2, 2])
    predictions = np.array([0, 0, 2, 1])
    assert mean_recall(predictions, labels, 4) == 0.75
    assert np.isnan(recalls(predictions, labels, 4)).tolist() == [False, True, False, True]
    assert learnability([predictions], [labels], labels, 4).value == pytest.approx(0.5 / 0.75)


def test_confusion_has_a_row_for_each_true_class() -> None:
    counts = confusion(np.array([0, 1, 1, 2, 0]), np.array([0, 0, 0, 1, 2]), 3)
    assert counts.tolist() == [[1, 2, 0], [0, 0, 1], [1, 0, 0]]


def test_the_area_under_the_roc_curve_counts_pairs_in_the_right_order_and_ties_by_half() -> None:
    rng = np.random.default_rng(0)
    embeddings, labels = rng.normal(size=(30, 4)), np.arange(30) % 3
    embeddings[:, 0] += 2 * labels
    centred = embeddings - embeddings.mean(0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    pairs = [(i, j) for i in range(30) for j in range(i)]
    same = [unit[i] @ unit[j] for i, j in pairs if labels[i] == labels[j]]
    other = [unit[i] @ unit[j] for i, j in pairs if labels[i] != labels[j]]
    right = np.mean([[(a > b) + (a == b) / 2 for b in other] for a in same])
    assert verification(embeddings, labels).area == pytest.approx(right, abs=1e-9)
    assert verification(np.zeros((6, 2)), np.array([0, 0, 0, 1, 1, 1])).area == 0.5


def test_a_roc_curve_rises_from_the_pairs_found_without_a_false_one_to_all() -> None:
    circle = np.array([0, 0.1, 2, 2.2, 4, 4.3])
    embeddings = np.stack([np.cos(circle), np.sin(circle)], 1)
    assert verification(embeddings, np.array([0, 0, 1, 1, 2, 2])).rates == [1.0] * 101
    drawn = verification(np.zeros((6, 2)), np.array([0, 0, 0, 1, 1, 1])).rates
    assert drawn == pytest.approx(np.linspace(0, 1, 101), abs=1e-4)
