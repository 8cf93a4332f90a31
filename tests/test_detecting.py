import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from unlearnable.data.shapes import shapes
from unlearnable.data.sources import open_images
from unlearnable.detecting import CERTAIN, CLEAN, POISONED, detect, verdict_of
from unlearnable.errors import SourceError


@pytest.fixture(scope="module")
def natural():
    return shapes(200, seed=5)


def planted(images, rows=slice(None), budget=8):
    """Uniform class-wise noise in some rows."""
    values = np.random.default_rng(0).integers(
        -budget, budget + 1, (len(images.classes), *images.images.shape[1:])
    )
    noisy = images.images.astype(np.int64)
    noisy[rows] += values[images.labels[rows]]
    return replace(images, images=noisy.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def noisy(natural):
    return detect(planted(natural), clean=natural, device="cpu")


def test_class_wise_noise_is_found_and_its_labels_are_gone_after_jpeg(noisy):
    assert noisy.verdict == "poisoned" and noisy.score > 0.8
    assert noisy.evidence["linear_as_is"] > 0.99 and noisy.evidence["hidden_as_is"] > 0.9
    assert noisy.evidence["linear_after_jpeg"] < 0.3 and noisy.evidence["hidden_after_jpeg"] < 0.4
    assert noisy.evidence["early_as_is"] > 2 * noisy.evidence["early_after_jpeg"]


def test_the_same_images_without_it_are_clean(natural):
    found = detect(natural, device="cpu")
    assert found.verdict == "clean" and abs(found.score) < CLEAN
    assert found.evidence["linear_as_is"] < 0.3
    assert abs(found.per_image.mean()) < 0.1


def test_colour_that_tells_the_class_is_no_noise(natural):
    few = shapes(400, seed=6)
    few = few.take(np.flatnonzero(few.labels < 4))
    tints = 80 * np.eye(4, 3, dtype=np.int64)[few.labels]
    pixels = few.images.astype(np.int64) // 2 + 40 + tints[:, None, None]
    coloured = (pixels.astype(np.uint8), few.labels)
    found = detect(coloured, device="cpu")
    assert found.verdict == "clean"
    assert found.evidence["pixels_as_is"] > 0.9


def test_a_drawing_that_tells_the_class_is_no_noise():
    """Sharp as it is, JPEG leaves it, and so does the difference."""
    rng = np.random.default_rng(0)
    stripes = np.indices((32, 32))
    images = []
    for label in range(5):
        width = 2 + label
        pattern = ((stripes[0] if label % 2 else stripes[1]) // width % 2)[..., None] * 120
        images += [
            pattern + rng.integers(40, 110, 3) + rng.normal(0, 2, (32, 32, 3)) for _ in range(30)
        ]
    pixels = np.rint(np.stack(images)).clip(0, 255).astype(np.uint8)
    assert detect((pixels, np.repeat(np.arange(5), 30)), device="cpu").verdict != "poisoned"


def test_where_images_of_a_class_are_alike_it_takes_more_to_be_called_poisoned():
    between = (POISONED + CERTAIN) / 2
    assert verdict_of(between, {"pixels_after_jpeg": 0.5}) == "poisoned"
    assert verdict_of(between, {"pixels_after_jpeg": 0.95}) == "cannot tell"
    assert verdict_of(CERTAIN, {"pixels_after_jpeg": 0.95}) == "poisoned"


def test_the_classes_and_images_that_carry_it_stand_out(natural):
    rows = np.flatnonzero(natural.labels < 3)
    found = detect(planted(natural, rows), device="cpu")
    assert found.verdict == "poisoned" and found.names == natural.names
    assert found.per_class.shape == (10,) and found.per_image.shape == (200,)
    assert found.per_class[:3].min() > 0.5 and found.per_class[3:].max() < 0.2
    assert found.per_image[rows].mean() == pytest.approx(found.per_class[:3].mean())


def test_clean_images_show_that_the_change_alone_gives_the_labels_away(noisy):
    assert noisy.evidence["separability"] > 0.99
    assert noisy.evidence["largest_change"] == 8
    assert any("largest change is 8" in words for words in noisy.words)


def test_clean_images_of_other_names_are_refused(natural):
    with pytest.raises(SourceError, match="do not hold the same images"):
        detect(natural, clean=shapes(50), device="cpu")


def test_of_too_few_images_nothing_can_be_said():
    found = detect(shapes(50), device="cpu")
    assert found.verdict == "cannot tell" and np.isnan(found.score)
    assert "too few images to tell: 50 in all and about 5 a class" in found.words[0]
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["score"] is None


def test_of_one_class_nothing_can_be_said(natural):
    rows = np.flatnonzero(natural.labels == 0)
    found = detect(replace(natural.take(rows), classes=("bars",)), device="cpu")
    assert found.verdict == "cannot tell" and "one class only" in found.words[0]


def test_a_score_between_the_thresholds_is_no_verdict(natural, monkeypatch):
    monkeypatch.setattr(
        "unlearnable.detecting._judged",
        lambda suspect, run: (
            (CLEAN + POISONED) / 2,
            np.zeros(200),
            {"linear_as_is": 0.2, "linear_after_jpeg": 0.1},
        ),
    )
    found = detect(natural, device="cpu")
    assert found.verdict == "cannot tell" and "less than would be needed" in found.words[1]


def test_the_same_seed_gives_the_same_scores(natural):
    first, second = (detect(natural, seed=3, device="cpu") for _ in range(2))
    assert first.score == second.score and first.evidence == second.evidence
    assert np.array_equal(first.per_image, second.per_image)


def test_grey_images_that_are_no_square_are_read_too(natural):
    grey = np.stack([np.asarray(Image.fromarray(x).convert("L"))[4:] for x in natural.images])
    images = open_images((grey, natural.labels))
    assert detect(images, device="cpu").verdict == "clean"
    assert detect(planted(images), device="cpu").verdict == "poisoned"
