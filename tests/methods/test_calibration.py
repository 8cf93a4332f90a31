from dataclasses import replace

import pytest
import torch

from unlearnable import protect
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.methods import METHODS, RandomNoise, calibration, make_method
from unlearnable.methods.calibration import CHOICES, calibrate
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.runtime import Run

TINY = ErrorMinimizing(surrogate="resnet18:4", rounds=1, batches=1, batch_size=20)


def circumstances() -> Run:
    return Run.start("cpu", precision="float32")


def with_rates(monkeypatch, rates) -> None:
    """Let the stopwatch show these rates, by threads and batch."""
    monkeypatch.setattr(calibration, "_stopwatch", lambda *_: lambda t, b: rates.get((t, b), 100.0))


@pytest.mark.parametrize("name", [name for name, cls in METHODS.items() if cls().passes(100)])
def test_every_method_with_a_surrogate_leaves_these_choices_open(name):
    assert [getattr(METHODS[name](), choice) for choice in CHOICES] == [None, None]


def test_it_fills_in_what_was_left_open_and_says_how_long_it_takes():
    method, seconds = calibrate(TINY, shapes(200), circumstances())
    assert 1 <= method.threads <= torch.get_num_threads()
    assert method.sweep_batch in (64, 128)
    assert replace(method, threads=None, sweep_batch=None) == TINY
    assert seconds > 0


def test_images_that_are_only_looked_at_take_no_steps_of_noise(monkeypatch):
    with_rates(monkeypatch, {})
    method = make_method("tap", {"surrogates": "4", "steps": "600", "threads": "1"})
    whole, few = (calibrate(method, shapes(200), circumstances(), share)[1] for share in (1, 0.025))
    assert whole - few == pytest.approx(4 * 600 * 195 / 100)


def test_what_is_fixed_stays():
    fixed = replace(TINY, threads=1, sweep_batch=17)
    assert calibrate(fixed, shapes(100), circumstances())[0] == fixed


def test_a_method_without_a_surrogate_is_left_alone():
    assert calibrate(RandomNoise(), shapes(20), circumstances()) == (RandomNoise(), None)


@pytest.mark.parametrize(("rate", "batch"), [(120, 128), (130, 64)])
def test_the_usual_batch_is_left_only_for_one_that_is_clearly_faster(monkeypatch, rate, batch):
    with_rates(monkeypatch, {(1, 64): rate})
    method, seconds = calibrate(replace(TINY, threads=1), shapes(100), circumstances())
    assert method.sweep_batch == batch
    assert seconds == TINY.passes(100) / (rate if batch == 64 else 100)


def test_fewer_threads_are_taken_where_many_get_in_each_others_way(monkeypatch):
    monkeypatch.setattr(Run, "threads", 8)
    with_rates(monkeypatch, {(4, 128): 110, (2, 128): 200, (1, 128): 150})
    assert calibrate(TINY, shapes(100), circumstances())[0].threads == 2


def test_an_unknown_surrogate_is_refused_before_anything_is_searched():
    with pytest.raises(SettingError, match="unknown model 'resnet19'"):
        calibrate(replace(TINY, surrogate="resnet19"), shapes(20), circumstances())


def test_a_resumed_run_keeps_the_choice_of_the_interrupted_one(tmp_path, monkeypatch):
    with_rates(monkeypatch, {(1, 64): 1000})
    begun = protect(shapes(80), tmp_path / "out", method=replace(TINY, threads=1), device="cpu")
    assert begun.manifest["settings"]["method_settings"]["sweep_batch"] == 64
    with_rates(monkeypatch, {})
    again = protect(
        shapes(80), tmp_path / "out", method=replace(TINY, threads=1), device="cpu", resume=True
    )
    assert again.manifest["settings"] == begun.manifest["settings"]
