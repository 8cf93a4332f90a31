from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.freezing import frozen
from unlearnable.methods import make_method
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.methods.layout import Layout, noise_shape, stratified
from unlearnable.methods.search import Search
from unlearnable.methods.views import read_by
from unlearnable.models import make_model
from unlearnable.noise import Budget
from unlearnable.runtime import Run

QUICK = {"surrogate": "resnet18:4", "batch_size": 20, "sweep_batch": 20}


def search(method, images, **run):
    out = np.zeros(noise_shape(images, method.form), np.float32)
    facts = method(images, Budget(), run=Run.start("cpu", seed=0, **run), out=out)
    return out, facts


@pytest.mark.parametrize(
    ("form", "steps", "subset"), [("sample-wise", 20, 1), ("class-wise", 1, 0.2)]
)
def test_the_paper_preset_is_the_published_search(form, steps, subset):
    method = ErrorMinimizing(form=form, preset="paper")
    found = (method.step, method.steps, method.batches, method.stop_error, method.subset)
    assert found == (0.1, steps, 10, 0.01, subset)
    assert (method.learning_rate, method.momentum, method.weight_decay) == (0.1, 0.9, 5e-4)
    assert method.clip == 5 and method.batch_size == 512 and method.start == "zero"


def test_the_paper_preset_takes_every_step_on_every_image():
    method = ErrorMinimizing(preset="paper", rounds=2, batches=1, stop_error=0, **QUICK)
    _, facts = search(method, shapes(40))
    assert facts["image_steps"] == 2 * 20


def test_converged_images_take_no_further_steps():
    settings = {"rounds": 4, "stop_error": 0, "subset": 1, **QUICK}
    _, every = search(ErrorMinimizing(leave=0, **settings), shapes(40))
    _, fewer = search(ErrorMinimizing(leave=1.5, **settings), shapes(40))
    assert every["image_steps"] == 4 * 6
    assert fewer["image_steps"] < every["image_steps"]


def test_the_other_images_join_when_the_subset_has_converged():
    method = ErrorMinimizing(subset=0.25, stop_error=0.5, leave=0, **QUICK)
    out, facts = search(method, shapes(80))
    assert facts["errors"][-1] <= 0.5 and facts["reached"]
    before = 1 + next(i for i, error in enumerate(facts["errors"]) if error <= 0.5)
    after = len(facts["errors"]) - before - 1
    assert facts["image_steps"] == before * 6 / 4 + 12 + after * 6, "a quarter, all twice, all"
    assert np.abs(out).reshape(80, -1).max(1).min() > 0, "an image without noise"


def test_a_second_surrogate_takes_over_when_the_subset_has_converged():
    settings = {"subset": 0.25, "stop_error": 0.5, "leave": 0, **QUICK}
    images = shapes(80)
    (one, first), (two, second) = (
        search(ErrorMinimizing(second=batches, **settings), images) for batches in (0, 7)
    )
    joined = next(i for i, error in enumerate(first["errors"]) if error <= 0.5)
    assert second["errors"][: joined + 1] == first["errors"][: joined + 1], "the first is as it was"
    assert not np.array_equal(one, two)
    rounds = len(second["errors"]) - len(first["errors"])
    trained = [round(facts["trained"] * 80 / 20) for facts in (first, second)]
    assert trained[1] - trained[0] == 7 + 10 * rounds


@pytest.mark.parametrize("rounds", [1, 3])
def test_every_image_has_noise_even_if_the_subset_never_converges(rounds):
    method = ErrorMinimizing(subset=0.25, stop_error=0, rounds=rounds, batches=1, **QUICK)
    out, facts = search(method, shapes(80))
    assert len(facts["errors"]) == rounds and not facts["reached"]
    assert np.abs(out).reshape(80, -1).max(1).min() > 0


def test_it_ends_when_the_surrogate_is_right_about_the_protected_images():
    out, facts = search(ErrorMinimizing(stop_error=0.2, **QUICK), shapes(40))
    assert facts["reached"] and facts["errors"][-1] <= 0.2 < facts["errors"][0]
    assert len(facts["errors"]) < 30
    assert np.abs(out).max() <= 8


def test_a_search_that_does_not_reach_its_error_stops_at_the_cap_and_says_so():
    _, facts = search(ErrorMinimizing(stop_error=0, rounds=2, batches=1, **QUICK), shapes(40))
    assert facts["reached"] is False and len(facts["errors"]) == 2


def test_class_wise_noise_is_one_for_each_class_and_is_judged_on_its_subset():
    method = ErrorMinimizing(form="class-wise", rounds=2, stop_error=0, batches=1, **QUICK)
    out, facts = search(method, shapes(700))
    assert out.shape == (10, 3, 32, 32)
    assert facts["image_steps"] == round(2 * 50 / 70, 2), "at least fifty of a class"


def test_the_statistics_of_the_surrogate_are_those_of_the_round_that_they_are_frozen_in():
    """At the usual momentum the first frozen surrogate takes all images for one class."""

    def first_error(momentum):
        method = ErrorMinimizing(rounds=1, subset=1.0, norm_momentum=momentum, **QUICK)
        return search(method, shapes(200))[1]["errors"][0]

    assert first_error(0.5) < 0.8 < first_error(0.1)


def test_a_random_start_begins_within_the_budget():
    images = shapes(20)
    begun = Search.begin(images, Layout("sample-wise"), Budget(), Run.start("cpu"), start="random")
    assert 7 < begun.delta.abs().max() <= 8


def test_what_the_surrogate_sees_is_clamped_like_what_is_published():
    images = shapes(20)
    begun = Search.begin(images, Layout("sample-wise"), Budget(), Run.start("cpu"))
    begun.images = torch.full_like(begun.images, 255)
    begun.delta += 8
    assert begun.batch(torch.arange(4)).max() == 1


def test_a_sweep_lowers_the_loss_of_a_frozen_surrogate():
    images, run = shapes(40), Run.start("cpu", precision="float32")
    model = frozen(make_model("resnet18:4", 10, 32), torch.float32)
    begun = Search.begin(images, Layout("sample-wise"), Budget(), run)

    def loss():
        return cross_entropy(model(begun.batch(torch.arange(40))), begun.labels).item()

    before = loss()
    begun.sweep(read_by(model), size=1, steps=10, batch_size=20)
    assert loss() < before


def test_the_subset_holds_its_share_of_each_class():
    labels = np.repeat(np.arange(3), [50, 10, 1])
    rows = stratified(labels, 0.2, np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [10, 2, 1]
    assert (np.diff(rows) > 0).all()
    rows = stratified(labels, 0.2, np.random.default_rng(0), least=8)
    assert np.bincount(labels[rows]).tolist() == [10, 8, 1]


def test_a_search_goes_on_from_the_last_round_to_the_same_bytes(tmp_path):
    """Stopped in the round in which the other images join the subset, and in the one before."""
    images = shapes(80)
    method = ErrorMinimizing(subset=0.25, stop_error=0.3, **QUICK)
    whole, facts = search(method, images)
    joining = 2 + next(i for i, error in enumerate(facts["errors"]) if error <= 0.3)
    for last in (joining - 1, joining):

        def stop(stage, done, /, last=last, **figures):
            if figures.get("round") == last:
                raise KeyboardInterrupt

        state = tmp_path / str(last)
        state.mkdir()
        with pytest.raises(KeyboardInterrupt):
            search(method, images, state=state, tell=stop)
        resumed, again = search(method, images, state=state)
        assert np.array_equal(whole, resumed) and facts == again


def test_settings_are_checked_and_unknown_ones_list_the_known():
    with pytest.raises(SettingError, match="rounds=0 is out of range: it must be at least 1"):
        ErrorMinimizing(rounds=0)
    with pytest.raises(SettingError, match="steps=many is not a whole number or none"):
        make_method("em", {"steps": "many"})
    with pytest.raises(SettingError, match=r"unknown setting 'stepz': choose one of form, preset"):
        make_method("em", {"stepz": "1"})
    with pytest.raises(SettingError, match="unknown method 'emm': choose one of em"):
        make_method("emm")


def test_surrogate_and_sweeps_see_the_images_through_the_augmentations():
    """Noise for images that are all seen mirrored is the mirrored noise of mirrored images."""
    images = shapes(40)
    mirrored = replace(images, images=np.ascontiguousarray(images.images[:, :, ::-1]))
    usual = {"rounds": 2, "subset": 1, "leave": 0, "stop_error": 0, **QUICK}
    flipped = {"augmentations": "flip:100", "sweep_augmentations": "flip:100"}
    seen_mirrored, _ = search(ErrorMinimizing(**flipped, **usual), images)
    noise, _ = search(ErrorMinimizing(augmentations="", **usual), mirrored)
    assert np.mean(np.abs(seen_mirrored[..., ::-1] - noise) < 0.1) > 0.95
    assert np.mean(np.abs(seen_mirrored - noise) < 0.1) < 0.5


def test_ours_trains_the_surrogate_on_moved_images_and_the_published_search_does_not():
    assert ErrorMinimizing().augmentations == "crop:1"
    assert ErrorMinimizing(form="class-wise").augmentations == "crop:1"
    assert ErrorMinimizing(preset="paper").augmentations == ""
    assert ErrorMinimizing(augmentations="flip").augmentations == "flip"


def test_what_is_no_augmentation_is_refused_at_once():
    with pytest.raises(SettingError, match="unknown augmentation 'blur'"):
        ErrorMinimizing(augmentations="crop:4 blur")


def test_a_small_set_is_trained_on_in_smaller_batches_and_none_is_learnt_by_heart() -> None:
    usual = ErrorMinimizing()
    assert usual._batch_size(2500) == 512
    assert usual._batch_size(1000) == 250
    assert usual._batch_size(1250) == 313  # four batches, not four and one of two images
    assert ErrorMinimizing(form="class-wise")._batch_size(10_000) == 256
    assert ErrorMinimizing(batch_size=64)._batch_size(10) == 64
    assert ErrorMinimizing(preset="paper")._batch_size(100) == 512


def chosen_of(images, *classes):
    return np.isin(images.labels, classes)


@pytest.mark.parametrize("form", ["sample-wise", "class-wise"])
def test_only_the_chosen_images_get_noise_and_they_alone_are_judged(form):
    images = shapes(80)
    settings = {"subset": 1, "leave": 0, "rounds": 2, "stop_error": 0, "moves": 1, **QUICK}
    method = ErrorMinimizing(form=form, **settings)
    out = np.zeros(noise_shape(images, form), np.float32)
    chosen = chosen_of(images, 0, 1)
    facts = method(images, Budget(), run=Run.start("cpu", seed=0), out=out, chosen=chosen)
    rows = chosen if form == "sample-wise" else np.arange(10) < 2
    strength = np.abs(out).reshape(len(out), -1).max(1)
    assert (strength[rows] > 0).all() and (strength[~rows] == 0).all()
    assert facts["image_steps"] == 2 * method.steps, "steps are counted per protected image"
    assert round(facts["errors"][-1] * chosen.sum(), 6) % 1 == 0


def test_the_surrogate_learns_from_the_other_images_as_they_are():
    images, run = shapes(40), Run.start("cpu")
    chosen = chosen_of(images, 0)
    begun = Search.begin(images, Layout("sample-wise"), Budget(), run, share=0.5, chosen=chosen)
    assert begun.protected.tolist() == np.flatnonzero(chosen).tolist()
    assert len(begun.rows) == 2 and len(begun.trainable) == 36 + 2
    begun.widen()
    assert len(begun.trainable) == 40


def test_images_of_a_class_share_so_many_noises():
    images = shapes(60)
    out, _ = search(ErrorMinimizing(shared=2, rounds=2, **QUICK), images)
    assert out.shape == (60, 3, 32, 32)
    kinds = [len(np.unique(out[images.labels == k].reshape(6, -1), axis=0)) for k in range(10)]
    assert max(kinds) == 2


@pytest.mark.parametrize(("shared", "place"), [(0, "centre"), (0, "random"), (1, "random")])
def test_noise_stays_within_its_patch(shared, place):
    method = ErrorMinimizing(shared=shared, patch=8, place=place, rounds=2, **QUICK)
    out, _ = search(method, shapes(40))
    corners = set()
    for levels in out[np.abs(out).any((1, 2, 3))]:
        _, rows, columns = np.nonzero(levels)
        assert np.ptp(rows) < 8 and np.ptp(columns) < 8
        corners.add((rows.min(), columns.min()))
    assert corners == {(12, 12)} if place == "centre" else len(corners) > 15


def test_patches_of_a_shared_noise_are_one_noise_at_many_places():
    images = shapes(40)
    method = ErrorMinimizing(shared=1, patch=8, place="random", rounds=2, stop_error=0, **QUICK)
    out, _ = search(method, images)
    sums = np.abs(out).sum((1, 2, 3))
    assert max(np.ptp(sums[images.labels == label]) for label in range(10)) < 1e-2 < np.ptp(sums)


def test_class_wise_noise_can_be_a_patch_in_the_middle_but_not_at_many_places():
    out, _ = search(ErrorMinimizing(form="class-wise", patch=8, rounds=2, **QUICK), shapes(40))
    inside = out[:, :, 12:20, 12:20]
    assert np.abs(inside).max() > 0 and (out != 0).sum() == (inside != 0).sum()
    for settings in ({"place": "random", "patch": 8}, {"shared": 2}):
        with pytest.raises(SettingError, match="form=sample-wise"):
            ErrorMinimizing(form="class-wise", **settings)


def test_a_patch_larger_than_the_images_is_refused():
    with pytest.raises(SettingError, match="at most 32"):
        search(ErrorMinimizing(patch=40, **QUICK), shapes(20))


def test_a_noise_that_few_images_share_is_moved_as_often_as_that_of_many():
    def moved(moves):
        method = ErrorMinimizing(
            form="class-wise", rounds=1, moves=moves, subset=1, stop_error=0, **QUICK
        )
        out, facts = search(method, shapes(50))
        return np.abs(out).max(), facts["image_steps"]

    assert moved(3) == (pytest.approx(3 * 0.8, abs=0.01), 1), "three batches of twenty at most"
    assert moved(6) == (pytest.approx(6 * 0.8, abs=0.01), 2)


def test_what_the_surrogate_knows_without_the_noise_is_asked_of_the_bare_images():
    begun = Search.begin(shapes(20), Layout("sample-wise"), Budget(), Run.start("cpu"))
    begun.images.fill_(100)
    begun.labels.zero_()
    begun.delta += 8

    class Brightness(torch.nn.Module):
        def forward(self, x):
            brighter = x.mean((1, 2, 3)) > 104 / 255
            return torch.stack([~brighter, brighter], 1).float()

    assert begun.error(Brightness()) == 1 and begun.bare(Brightness()) == 1
