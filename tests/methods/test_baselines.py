import numpy as np

from unlearnable.data.shapes import shapes
from unlearnable.methods.as_released import AsReleased
from unlearnable.methods.error_maximizing import ErrorMaximizing
from unlearnable.methods.layout import noise_shape
from unlearnable.methods.random import RandomNoise
from unlearnable.noise import Budget
from unlearnable.runtime import Run


def test_random_noise_is_uniform_over_the_budget():
    images = shapes(100)
    out = np.zeros(noise_shape(images, "sample-wise"), np.float32)
    RandomNoise()(images, Budget("linf", 8), run=Run.start("cpu"), out=out)
    assert abs(out.mean()) < 0.05 and abs(out.std() - 16 / np.sqrt(12)) < 0.05
    assert np.abs(out).max() <= 8


def test_error_maximizing_noise_raises_the_error_of_a_trained_surrogate():
    images = shapes(60)
    method = ErrorMaximizing(surrogate="resnet18:4", epochs=3, rounds=3, stop_error=1.0)
    out = np.zeros(noise_shape(images, method.form), np.float32)
    facts = method(images, Budget(), run=Run.start("cpu"), out=out)
    assert facts["errors"][-1] > 0.9
    assert np.abs(out).max() <= 8 and np.abs(out).mean() > 1


def test_it_is_published_with_twenty_steps_sample_wise_and_one_class_wise():
    sample, by_class = ErrorMaximizing(), ErrorMaximizing(form="class-wise")
    assert (sample.steps, sample.stop_error) == (20, 0.9)
    assert (by_class.steps, by_class.stop_error, by_class.subset) == (1, 0.8, 0.2)


def test_as_released_negative_noise_is_dropped_and_the_rest_truncated():
    images, settings = shapes(20), {"surrogate": "resnet18:4", "sweep_batch": 20}
    run = Run.start("cpu", seed=0)

    def made(**flags):
        out = np.zeros(noise_shape(images, "sample-wise"), np.float32)
        AsReleased(**flags, **settings)(images, Budget(), run=run, out=out)
        return out

    whole = made(drops_negative=False, truncates=False)
    kept = made(drops_negative=False)
    assert np.array_equal(made(), np.floor(np.maximum(whole, 0)))
    assert np.array_equal(kept, np.floor(whole)) and kept.min() < 0
