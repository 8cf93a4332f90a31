"""What would mislead an audit is found in its images, each with a sentence of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unlearnable import open_images, protect
from unlearnable.data.imageset import ImageSet
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError, SourceError
from unlearnable.pairing import Material, gather, split

TRAIN = shapes(60)


def distinct(each: int) -> ImageSet:
    """Test images that are nobody's duplicates: random pixels."""
    rng = np.random.default_rng(9)
    some = shapes(10 * each, split="test")
    return replace(some, images=rng.integers(0, 256, some.images.shape, dtype=np.uint8))


@pytest.fixture
def protected(tmp_path: Path) -> Path:
    protect(TRAIN, tmp_path / "out", method="random", seed=0)
    return tmp_path / "out"


def found(protected: Path, test: ImageSet | None = None, **others: Any) -> Material:
    given = {"open_images": open_images, "size": None, "heldout": 0, **others}
    test = distinct(6) if test is None else test
    return gather(protected, TRAIN, test, rng=np.random.default_rng(0), **given)


def sentences(material: Material) -> list[str]:
    return [doubt.sentence for doubt in material.doubts if doubt.fatal]


def test_sets_that_belong_together_raise_no_doubt(protected: Path) -> None:
    material = found(protected)
    assert material.doubts == () and material.leaks == ()
    assert material.budget.size == 8 and material.manifest is not None


def test_leaked_test_images_are_left_out_listed_and_too_many_forbid_a_verdict(
    protected: Path,
) -> None:
    images = distinct(6).images.copy()
    images[:4] = TRAIN.images[:4]
    material = found(protected, replace(distinct(6), images=images))
    assert len(material.test) == 56
    assert material.leaks[0] == (distinct(6).names[0], TRAIN.names[0])
    assert "exact ones are over 5%" in sentences(material)[0]
    images[2:4] = distinct(6).images[2:4]
    assert sentences(found(protected, replace(distinct(6), images=images))) == []


def test_a_test_set_of_training_images_alone_is_refused(protected: Path) -> None:
    with pytest.raises(SourceError, match="is a training image, or nearly"):
        found(protected, TRAIN)


def test_a_file_that_is_not_as_written_is_named(protected: Path) -> None:
    file = next(protected.rglob("*.png"))
    Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
    (sentence,) = sentences(found(protected))
    assert "1 of 60 files are not as written" in sentence and file.name in sentence


def test_a_budget_that_the_files_break_is_told(protected: Path) -> None:
    darker = replace(TRAIN, images=TRAIN.images // 2)
    given = {"open_images": open_images, "size": None, "heldout": 0}
    rng = np.random.default_rng(0)
    material = gather(protected, darker, distinct(6), rng=rng, **given)
    assert "further from their originals than the budget allows" in sentences(material)[0]


def test_without_a_manifest_the_budget_is_measured(protected: Path) -> None:
    protected.with_name("out.private").rename(protected.with_name("elsewhere"))
    material = found(protected)
    assert material.manifest is None and 1 <= material.budget.size <= 8


def test_a_truncated_file_is_refused_by_name(protected: Path) -> None:
    file = next(protected.rglob("*.png"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(SourceError, match=file.name):
        found(protected)


def test_three_test_images_of_a_class_are_too_few(protected: Path) -> None:
    assert "has 3 test images" in sentences(found(protected, distinct(3)))[0]


def test_held_out_images_leave_the_test_set(protected: Path) -> None:
    material = found(protected, distinct(10), heldout=None)
    assert material.heldout is not None
    assert np.bincount(material.heldout.labels).tolist() == [2] * 10
    assert not set(material.heldout.names) & set(material.test.names)
    assert len(material.test) == 80


def test_no_more_can_be_held_out_than_there_are() -> None:
    with pytest.raises(SettingError, match="heldout=6: the class"):
        split(distinct(6), 6, np.random.default_rng(0))
