"""What the noises found against a surrogate are to be, each by its own paper's objective."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unlearnable.augment import augment
from unlearnable.data.gather import from_arrays
from unlearnable.errors import SettingError
from unlearnable.methods import make_method, search
from unlearnable.methods.layout import noise_shape
from unlearnable.methods.surrogate import trained_surrogate
from unlearnable.methods.views import view_of
from unlearnable.noise import Budget, seal
from unlearnable.runtime import Run
from unlearnable.schedules import SCHEDULES
from unlearnable.training import predict

SMALL = {"surrogate": "resnet18:4", "epochs": "60", "batches": "1", "trained_through": "flip"}


def coarse(count=512, side=16, strength=6):
    """Coarse patterns, a class each; of the usual strength, within a budget: soon undone."""
    rng = np.random.default_rng(0)
    patterns = (
        rng.choice([-strength, strength], (4, 4, 4, 3)).repeat(side // 4, 1).repeat(side // 4, 2)
    )
    labels = np.arange(count) % 4
    images = 128 + patterns[labels] + rng.integers(-20, 21, (count, side, side, 3))
    return from_arrays(images.astype(np.uint8), labels, list("abcd"), source="faint patterns")


IMAGES = coarse()
PLAIN = coarse(strength=20)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where the tests share what they train on clean images."""
    return tmp_path_factory.mktemp("surrogates")


def found(name, images=IMAGES, budget=None, state=None, cache=None, **settings):
    method = make_method(name, settings)
    budget = budget or method.published
    out = np.zeros(noise_shape(images, method.form), np.float32)
    run = Run.start("cpu", seed=0, state=state, cache=cache)
    facts = method(images, budget, run=run, out=out)
    return seal(out, form=method.form, budget=budget), facts


def test_poisons_are_taken_for_the_next_class(cache):
    _, facts = found("tap", cache=cache, augmentations="", **SMALL)
    assert facts["taken"] >= 0.9
    before, after = facts["loss"]
    assert after < before / 4


def test_untargeted_poisons_are_taken_for_any_class_but_their_own(cache):
    noise, facts = found("tap", cache=cache, target="none", augmentations="", **SMALL)
    assert facts["unmoved"] <= 0.3 and not facts["known"]
    assert facts["loss"][1] > 4 * facts["loss"][0]
    assert np.abs(noise.values).max() <= 8


def test_images_that_share_a_noise_agree_on_each_step(cache, monkeypatch):
    sweep, taken = search.sweep, []

    def watched(*args, **how):
        taken.append(how["steps"])
        return sweep(*args, **how)

    monkeypatch.setattr(search, "sweep", watched)
    short = {**SMALL, "epochs": "1", "steps": "12", "sweep_batch": str(len(IMAGES))}
    found("tap", cache=cache, form="class-wise", **short)
    assert taken == [1] * 12


def test_noise_against_several_surrogates_misleads_those_that_it_never_met(cache):
    several = {**SMALL, "epochs": "30", "steps": "20", "target": "none", "start": "zero"}
    noises = [
        found("tap", cache=cache, form="class-wise", surrogates=count, augmentations="", **several)[
            0
        ]
        for count in ("1", "4")
    ]
    shown = [
        replace(IMAGES, images=np.stack([*map(noise.add_to, IMAGES.images, IMAGES.labels)]))
        for noise in noises
    ]
    schedule = replace(SCHEDULES["quick"], epochs=30, augmentations="flip")
    errors = np.zeros(2)
    for seed in (9, 10):  # any noise may mislead one stranger by chance
        run = Run.start("cpu", seed=seed)
        stranger = trained_surrogate(IMAGES, "resnet18:4", schedule, run)
        errors += [(predict(stranger, x, run) != IMAGES.labels).mean() / 2 for x in shown]
    assert errors[1] > errors[0] > 0


@pytest.mark.parametrize("budget", [None, Budget("linf", 8)])
def test_hypocritical_noise_halves_the_loss_on_the_own_class(budget, cache):
    noise, facts = found("hypo", budget=budget, cache=cache, **SMALL)
    assert facts["loss"][1] < facts["loss"][0] / 2
    assert noise.budget.measure(noise.values).max() > 0.9 * noise.budget.size


def test_the_best_of_several_starts_counts_for_each_image(cache):
    one, several = (
        found("tap", cache=cache, restarts=count, steps="3", augmentations="", **SMALL)
        for count in ("1", "3")
    )
    assert several[1]["loss"][1] < one[1]["loss"][1]


def test_augmented_poisons_halve_their_loss(cache):
    before, after = found("aap", cache=cache, steps="30", **SMALL)[1]["loss"]
    assert after < before / 2


@pytest.mark.parametrize("form", ["sample-wise", "class-wise"])
def test_augmented_unlearnable_noise_is_soon_read(form):
    settings = {"surrogate": "resnet18:4", "batches": "10", "batch_size": "64"}
    _, facts = found("aue", form=form, rounds="6", step="0.3", **settings)
    assert facts["errors"][-1] < facts["errors"][0] / 2


@pytest.mark.parametrize(("name", "disturbing", "share"), [("sem", "0", 0.75), ("rem", "2", 0.6)])
def test_robust_noise_is_read_under_attack(name, disturbing, share):
    settings = {"surrogate": "resnet18:4", "batches": "150", "batch_size": "64"}
    settings |= {"radius": "0.25", "subset": "1.0", "step": "0.2", "disturbing_steps": disturbing}
    settings |= {"attack_steps": "2", "attack_step": "0.8"}
    _, facts = found(name, PLAIN, **settings)
    assert facts["losses"][-1] < share * facts["losses"][0]
    assert facts["error"] < 0.5, "chance is 0.75"


@pytest.mark.parametrize(("name", "cut"), [("tap", "steps=25"), ("rem", "batches=120")])
def test_an_interrupted_search_goes_on_to_the_same_noise(name, cut, tmp_path):
    key, _, count = cut.partition("=")
    settings = {"surrogate": "resnet18:4", "batch_size": "16", "epochs": "1", "batches": "2"}
    settings |= {key: count}
    known = make_method(name).__dataclass_fields__
    settings = {k: v for k, v in settings.items() if k in known}
    images, method = coarse(32), make_method(name, settings)
    (tmp_path / "whole").mkdir()
    whole, _ = found(name, images, state=tmp_path / "whole", **settings)

    def stop(stage, done, /, **figures):
        if stage == "search" and done > 0.3:
            raise KeyboardInterrupt

    out = np.zeros(noise_shape(images, method.form), np.float32)
    state = tmp_path / "halves"
    state.mkdir()
    run = Run.start("cpu", seed=0, state=state, tell=stop)
    with pytest.raises(KeyboardInterrupt):
        method(images, method.published, run=run, out=out)
    halves, _ = found(name, images, state=state, **settings)
    assert np.array_equal(whole.values, halves.values)


def test_searches_share_a_clean_surrogate_by_a_cache(tmp_path):
    few = {**SMALL, "epochs": "2", "steps": "2"}
    alone, _ = found("tap", **few)
    first, _ = found("tap", cache=tmp_path, **few)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(kept) == 1
    found("hypo", cache=tmp_path, **few)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept
    assert np.array_equal(alone.values, first.values), "a cache changes nothing"
    found("hypo", cache=tmp_path, **{**few, "epochs": "1"})
    assert len(list(tmp_path.iterdir())) == 2, "another training is kept beside it"


def test_an_unprotected_image_gets_no_noise_and_is_no_part_of_the_outcome():
    images = IMAGES.take(np.arange(60))
    chosen = np.arange(60) % 2 == 0
    for name in ("tap", "rem"):
        settings = {"surrogate": "resnet18:4", "epochs": "1", "batches": "4"}
        known = make_method(name).__dataclass_fields__
        method = make_method(name, {k: v for k, v in settings.items() if k in known})
        out = np.zeros(noise_shape(images, method.form), np.float32)
        method(images, Budget(), run=Run.start("cpu"), out=out, chosen=chosen)
        assert not out[~chosen].any() and out[chosen].any()


def test_contrastive_augmentation_lets_a_gradient_through():
    x = torch.rand(8, 3, 16, 16, requires_grad=True)
    view = view_of(Run.start("cpu"), "test", augmentations="contrastive:100")
    view(x).sum().backward()
    assert (x.grad.abs().sum((1, 2, 3)) > 0).all()


def test_stronger_contrastive_augmentation_changes_more():
    x = torch.from_numpy(IMAGES.images[:64]).permute(0, 3, 1, 2)
    draws = [torch.Generator().manual_seed(0) for _ in range(3)]
    changes = [
        float((augment(x, (f"contrastive:{s}",), d) - x.float()).abs().mean())
        for s, d in zip((10, 50, 100), draws, strict=True)
    ]
    assert changes == sorted(changes)


def test_an_augmentation_that_is_none_is_refused_at_once():
    for name in ("tap", "rem"):
        with pytest.raises(SettingError, match="choose one of"):
            make_method(name, {"augmentations": "twist"})


@pytest.mark.parametrize(
    ("name", "millions"), [("rem", 390), ("sem", 42), ("tap", 100), ("aue", 18), ("aap", 14.5)]
)
def test_published_settings_cost_what_the_published_search_does(name, millions):
    method = make_method(name, {"preset": "paper"})
    assert method.passes(50_000) / 1e6 == pytest.approx(millions, rel=0.2)
