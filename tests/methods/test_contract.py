"""What every noise method must do, whatever it is."""

import re
import time
from dataclasses import asdict, fields
from typing import get_args, get_type_hints

import numpy as np
import pytest

from unlearnable.data.shapes import shapes
from unlearnable.methods import METHODS, make_method
from unlearnable.methods.layout import noise_shape
from unlearnable.noise import Budget, seal
from unlearnable.runtime import Run

TINY = {
    "surrogate": "resnet18:4",
    "rounds": "2",
    "batches": "2",
    "epochs": "1",
    "steps": "2",
    "batch_size": "16",
    "sweep_batch": "16",
    "last_steps": "1",
    "attack_steps": "1",
}


def forms(name: str) -> tuple[str, ...]:
    return get_args(get_type_hints(METHODS[name])["form"])


DRAWS_NOTHING = ("transferred", "ops")
each_method = pytest.mark.parametrize("name", METHODS)
each_method_and_form = pytest.mark.parametrize(
    ("name", "form"), [(name, form) for name in METHODS for form in forms(name)]
)


@pytest.fixture(autouse=True)
def noise_of_others(tmp_path_factory, monkeypatch):
    """A class-wise noise in `others/`, for a method that takes one."""
    folder = tmp_path_factory.mktemp("beside")
    monkeypatch.chdir(folder)
    (folder / "others").mkdir()
    levels = np.random.default_rng(0).uniform(-8, 8, (3, 3, 16, 16))
    seal(levels, form="class-wise", budget=Budget()).save(folder / "others" / "noise.npy")


def tiny(name: str, form: str | None = None):
    known = {field.name for field in fields(METHODS[name])}
    settings = {**TINY, "form": form or forms(name)[0], "noise": "others"}
    return make_method(name, {k: v for k, v in settings.items() if k in known})


def levels(method, images, seed=0, state=None, device="cpu"):
    out = np.full(noise_shape(images, method.form), np.nan, np.float32)
    run = Run.start(device, seed=seed, state=state)
    facts = method(images, method.published, run=run, out=out)
    return out, facts


@each_method_and_form
def test_it_fills_every_row_with_finite_levels_that_seal_to_a_noise_of_both_signs(
    name, form, device
):
    images = shapes(40)
    method = tiny(name, form)
    out, _ = levels(method, images, device=device)
    noise = seal(out, form=form, budget=method.published)
    assert noise.values.max() > 0
    assert (noise.values.min() < 0) == (name != "as-released"), "which drops all that is negative"


@each_method_and_form
def test_one_seed_gives_one_noise_and_another_seed_another(name, form):
    images, method = shapes(40), tiny(name, form)
    first, again, other = (levels(method, images, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (name in DRAWS_NOTHING)


SIZES = {"linf": 8, "l2": 100, "l0": 3, "none": 8}


@pytest.mark.parametrize(
    ("name", "norm"), [(name, norm) for name, cls in METHODS.items() for norm in cls.norms]
)
def test_it_uses_a_budget_of_each_of_its_norms(name, norm):
    images, budget, method = shapes(20), Budget(norm, SIZES[norm]), tiny(name)
    out = np.zeros(noise_shape(images, method.form), np.float32)
    method(images, budget, run=Run.start("cpu", seed=0), out=out)
    noise = seal(out, form=method.form, budget=budget)
    strength = budget.measure(np.asarray(noise.values))
    assert (strength > 0).all() and (norm == "none" or strength.max() <= budget.size)


@each_method
def test_eight_images_take_two_seconds_at_most(name):
    images, method = shapes(20).take(np.arange(8)), tiny(name)
    levels(method, images)  # the first time something is loaded, too
    started = time.process_time()
    levels(method, images)
    assert time.process_time() - started <= 2


@each_method
def test_its_settings_are_its_fields(name):
    method = tiny(name)
    assert repr(method).startswith(f"{type(method).__name__}(form='{method.form}'")
    assert type(method)(**asdict(method)) == method


@each_method
def test_it_says_what_it_is_where_it_comes_from_and_what_it_costs(name):
    cls = METHODS[name]
    assert "Cost:" in cls.__doc__ and "Example:" in cls.__doc__
    assert re.search(r"(19|20)\d\d", cls.source) and cls.published.size > 0
    assert cls.published.norm in cls.norms
    assert cls().passes(100) >= 0
    assert all(field.metadata["meaning"] for field in fields(cls))


@each_method
def test_grey_images_get_noise_of_one_channel(name):
    from dataclasses import replace

    images = shapes(20)
    grey = replace(images, images=images.images[..., :1])
    out, _ = levels(tiny(name), grey)
    assert out.shape[1:] == (1, 32, 32) and np.isfinite(out).all()
