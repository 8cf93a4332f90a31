"""What the noises that need no surrogate are to be, each by its own paper."""

import time
from dataclasses import replace

import numpy as np
import pytest

from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.methods import make_method
from unlearnable.methods.ar import answers, draws, processes
from unlearnable.methods.layout import noise_shape
from unlearnable.noise import Budget, seal
from unlearnable.runtime import Run

IMAGES = shapes(200)


def found(name, images=IMAGES, budget=None, **settings):
    method = make_method(name, settings)
    budget = budget or method.published
    out = np.zeros(noise_shape(images, method.form), np.float32)
    facts = method(images, budget, run=Run.start("cpu", seed=0), out=out)
    return seal(out, form=method.form, budget=budget), facts


def published(noise, images=IMAGES):
    rows = images.labels if noise.form == "class-wise" else range(len(images))
    pairs = zip(images.images, rows, strict=True)
    return np.stack([noise.add_to(image, int(row)) for image, row in pairs])


@pytest.mark.parametrize("budget", [Budget("l2", 332.6), Budget("linf", 8)])
def test_a_linear_model_tells_all_classes_apart_by_separable_patches(budget):
    noise, _ = found("lsp", budget=budget)
    x = np.asarray(noise.values, float).reshape(len(IMAGES), -1)
    means = np.stack([x[IMAGES.labels == label].mean(0) for label in range(10)])
    scores = x @ means.T - (means**2).sum(1) / 2  # the nearest mean, a linear rule
    assert (scores.argmax(1) == IMAGES.labels).all()
    norms = np.sqrt((x**2).sum(1)) if budget.norm == "l2" else np.abs(x).max(1)
    assert (norms > 0.98 * budget.size).all() and (norms <= budget.size).all()


@pytest.mark.parametrize("side", [8, 5])
def test_separable_patches_are_tiles_of_one_colour(side):
    values = found("lsp", side=str(side))[0].values
    for top in range(0, 32, side):
        for left in range(0, 32, side):
            tile = values[:, :, top : top + side, left : left + side]
            assert np.ptp(tile.reshape(*tile.shape[:2], -1), axis=2).max() == 0


def test_the_own_filter_answers_nothing_to_autoregressive_noise_and_others_much():
    rng = np.random.default_rng(0)
    kept = processes(12, 10, rng)
    noise = np.stack([draws(kept, (32, 32), rng) for _ in range(4)])
    assert np.isfinite(noise).all()
    for place in range(len(kept)):
        found = answers(noise[:, place], kept)
        assert found[:, place].max() < 1e-9
        # a process was asked of those kept before it only, as published
        assert found[:, :place].min(initial=np.inf) > 3


def test_autoregressive_noise_has_the_published_strength_and_a_process_for_each_class():
    noise, facts = found("ar")
    norms = np.sqrt((np.asarray(noise.values, float) ** 2).sum((1, 2, 3)))
    assert norms.min() > 250 and norms.max() <= 255
    weights = np.array(facts["weights"])
    assert weights.shape == (10, 3, 3, 3)
    assert np.allclose(weights.sum((2, 3)), 1, atol=1e-4) and not weights[:, :, 2, 2].any()
    for row in (0, 57):  # but for rounding to whole levels
        own = weights[IMAGES.labels[row]]
        mine = np.asarray(noise.values[row], float)
        for channel in range(3):
            others = np.delete(weights[:, channel], IMAGES.labels[row], 0)
            answer = answers(mine[channel][None], own[channel][None])
            assert answer.max() < 0.5 * np.median(answers(mine[channel][None], others))


def test_a_process_that_is_wanted_to_differ_too_much_is_refused():
    with pytest.raises(SettingError, match="response"):
        processes(3, 1e9, np.random.default_rng(0))


@pytest.mark.parametrize("form", ["sample-wise", "class-wise"])
@pytest.mark.parametrize("channels", [1, 3])
def test_one_pixel_shortcuts_set_one_pixel_of_a_class_to_one_colour(form, channels):
    images = replace(IMAGES, images=IMAGES.images[..., :channels])
    noise, facts = found("ops", images, form=form)
    after = published(noise, images)
    places = set()
    for label, (row, column, *colour) in enumerate(facts["pixels"]):
        mine = images.labels == label
        assert (after[mine, row, column] == colour).all()
        places.add((row, column, *colour))
    assert len(places) == 10, "no two classes have the same"
    changed = (after != images.images).any(3).sum((1, 2))
    assert changed.max() == 1 and changed.mean() > 0.9


def test_the_pixel_is_the_one_furthest_from_what_a_class_has_there():
    images = replace(IMAGES, images=np.random.default_rng(0).integers(90, 160, (200, 32, 32, 3)))
    images = replace(images, images=images.images.astype(np.uint8))
    images.images[images.labels == 4, 20, 7] = (0, 255, 0)
    assert found("ops", images)[1]["pixels"][4] == [20, 7, 255, 0, 255]


def test_more_classes_than_shortcuts_are_refused():
    few = replace(IMAGES, images=IMAGES.images[:, :2, :2, :1])
    with pytest.raises(SettingError, match="have 8 shortcuts of one pixel, and there are more"):
        found("ops", few)


def test_a_class_without_images_gets_no_pixel():
    images = IMAGES.take(np.flatnonzero(IMAGES.labels != 4))
    noise, facts = found("ops", images, form="class-wise")
    assert facts["pixels"][4] == [] and not noise.values[4].any() and noise.values[5].any()


def test_class_filters_blur_all_images_of_a_class_alike():
    noise, _ = found("cuda")
    assert noise.budget.norm == "none"
    after = published(noise).astype(float)
    assert after.max() == 255
    row = int(np.flatnonzero(IMAGES.labels == 3)[0])
    impulse = np.zeros((2, 32, 32, 3), np.uint8)
    impulse[:, 10, 10] = 255
    single = replace(IMAGES.take(np.array([row, row])), images=impulse)
    answer = published(found("cuda", single)[0], single)[0, :, :, 0]
    assert answer[9:12, 9:12].min() >= 0 and answer.sum() == answer[9:12, 9:12].sum()
    assert (answer == 255).sum() == 1 and np.partition(answer.ravel(), -2)[-2] <= 0.31 * 255


def test_random_patches_are_tiles_at_the_bounds_of_the_budget():
    noise, _ = found("patches")
    assert set(np.unique(noise.values)) == {-8, 8}
    assert len({row.tobytes() for row in np.asarray(noise.values)}) == 10


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lsp", "ar", "ops", "cuda"])
def test_noise_for_fifty_thousand_images_takes_half_a_minute(name):
    some = shapes(1000)
    many = some.take(np.tile(np.arange(1000), 50))
    started = time.perf_counter()
    method = make_method(name)
    out = np.zeros(noise_shape(many, method.form), np.float32)
    method(many, method.published, run=Run.start("cpu"), out=out)
    assert time.perf_counter() - started <= 30
