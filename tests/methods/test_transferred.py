import numpy as np
import pytest

from unlearnable.data.shapes import shapes
from unlearnable.errors import DamagedError, SettingError
from unlearnable.methods.layout import noise_shape
from unlearnable.methods.transferred import Transferred
from unlearnable.noise import Budget, seal
from unlearnable.runtime import Run


@pytest.fixture
def other(tmp_path):
    """Save a noise whose row k is k everywhere, and name its classes."""

    def save(classes, form="class-wise"):
        levels = np.ones((len(classes), 3, 16, 16)) * np.arange(len(classes)).reshape(-1, 1, 1, 1)
        noise = seal(levels, form=form, budget=Budget(), made_by={"classes": classes})
        noise.save(tmp_path / "noise.npy")
        return str(tmp_path)

    return save


def taken(noise):
    images = shapes(20)
    out = np.full(noise_shape(images, "class-wise"), np.nan, np.float32)
    facts = Transferred(noise=noise)(images, Budget(), run=Run.start("cpu"), out=out)
    return dict(zip(images.classes, out[:, 0, 0, 0].astype(int).tolist(), strict=True)), facts


def test_a_class_takes_the_noise_of_its_name_and_the_others_what_is_left_in_order(other):
    rows, facts = taken(other(["cat", "disc", "dog", "star"]))
    assert rows["disc"] == 1 and rows["star"] == 3
    assert [rows[name] for name in ("bars", "cross", "frame", "half")] == [0, 2, 0, 2]
    assert facts["from"]["bars"] == "cat" and facts["from"]["star"] == "star"


def test_if_every_name_is_taken_the_others_begin_again_at_the_first(other):
    rows, _ = taken(other(["disc", "star"]))
    assert [rows[name] for name in ("disc", "star", "bars", "cross")] == [0, 1, 0, 1]


def test_what_is_no_class_wise_noise_is_refused(other, tmp_path):
    with pytest.raises(SettingError, match="a noise for each image"):
        taken(other(["cat"], form="sample-wise"))
    with pytest.raises(SettingError, match="--set noise="):
        taken("")
    with pytest.raises(DamagedError, match="missing"):
        taken(str(tmp_path / "nothing"))
    with pytest.raises(SettingError, match="form=sample-wise is not class-wise"):
        Transferred(form="sample-wise")
