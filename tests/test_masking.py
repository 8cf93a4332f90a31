import numpy as np
import pytest

from unlearnable.applying import apply, remove
from unlearnable.data.adding import with_noise
from unlearnable.data.files import Picture, decode
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError, SourceError
from unlearnable.masking import BUSY, LEAST, texture
from unlearnable.methods import make_method
from unlearnable.methods.layout import noise_shape
from unlearnable.noise import Budget, Noise, seal
from unlearnable.protecting import protect
from unlearnable.runtime import Run

MASKED = Budget("linf", 8, masked=True)
HALF = 20  # columns of a picture that are even


def picture(width: int = 64) -> np.ndarray:
    """Even on the left, busy from column `HALF` on."""
    rng = np.random.default_rng(5)
    image = np.full((48, width, 3), 120, np.uint8)
    image[:, HALF:] = rng.integers(0, 256, (48, width - HALF, 3))
    return image


def full(size: tuple[int, int], sign: int = 1) -> Noise:
    return seal(np.full((1, 3, *size), 8.0 * sign), form="class-wise", budget=MASKED)


def test_even_parts_get_the_least_and_busy_parts_all_up_to_the_edge():
    shares = texture(picture(), (48, 64))
    assert np.allclose(shares[:, :HALF], LEAST) and np.allclose(shares[:, HALF + 2 :], 1)


def test_the_share_grows_with_what_hides_it():
    fine = np.indices((40, 40)).sum(0) % 2

    def share(contrast: float) -> float:
        image = (120 + (2 * fine - 1) * contrast)[..., None].astype(np.uint8)
        return float(texture(image, (40, 40))[20, 20])

    assert share(0) == pytest.approx(LEAST)
    assert share(BUSY / 2) == pytest.approx(0.5, abs=0.05) and share(2 * BUSY) == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_masked_noise_spares_even_parts_of_a_picture_of_its_own_size(sign):
    clean = picture()
    change = full((48, 64), sign).add_to(clean, 0).astype(int) - clean
    assert (np.abs(change[:, :HALF]) <= round(8 * LEAST)).all() and np.abs(change).max() == 8


def test_masked_noise_spares_even_parts_of_a_larger_picture():
    clean = np.kron(picture(), np.ones((9, 7, 1), np.uint8))
    noise = full((48, 64))
    protected = with_noise(Picture(clean), noise, 0).pixels
    assert np.array_equal(protected, noise.add_to(clean, 0)), "one way for all sizes"
    change = np.abs(protected.astype(int) - clean)
    assert change[:, : 7 * (HALF - 2)].max() <= 2 and change.max() == 8


@pytest.mark.parametrize("settings", [{}, {"form": "class-wise"}, {"shared": "1", "patch": "12"}])
def test_a_search_under_a_masked_budget_sees_what_is_published(settings):
    images = shapes(40)
    method = make_method(
        "em", {"surrogate": "resnet18:4", "rounds": "2", "step": "0.8", **settings}
    )
    levels = np.zeros(noise_shape(images, method.form), np.float32)
    method(images, MASKED, run=Run.start("cpu", seed=0), out=levels)
    assert np.isfinite(levels).all() and np.abs(levels).max() <= 8.1
    noise = seal(levels, form=method.form, budget=MASKED)
    for row, image in enumerate(images.images):
        index = row if method.form == "sample-wise" else int(images.labels[row])
        change = np.abs(noise.add_to(image, index).astype(int) - image).max(2)
        assert (change <= np.rint(8 * texture(image, (32, 32)))).all()
        assert change.any()


def test_masking_is_part_of_the_key_and_its_noise_cannot_be_taken_off_exactly(tmp_path):
    done = protect(shapes(40), tmp_path / "out", method="random", budget=MASKED, seed=1)
    assert Noise.load(done.private).budget == MASKED
    key = protect(
        shapes(40),
        tmp_path / "key",
        method=make_method("random", {"form": "class-wise"}),
        budget=MASKED,
        seed=1,
    )
    assert apply(key.private, [tmp_path / "out"], tmp_path / "twice").files
    with pytest.raises(SourceError, match=r"--masking.*--approximate"):
        remove(key.private, [tmp_path / "key"], tmp_path / "back")
    remove(key.private, [tmp_path / "key"], tmp_path / "back", approximate=True)
    name = done.manifest["files"][0]["name"]
    before, after = shapes(40).images[0], decode(tmp_path / "back" / name).pixels
    protected = decode(tmp_path / "key" / name).pixels

    def off(image: np.ndarray) -> float:
        return float(np.abs(image.astype(int) - before).mean())

    assert off(after) < off(protected) / 3


def test_only_an_l_infinity_budget_can_be_masked():
    with pytest.raises(SettingError, match="--masking needs the norm linf"):
        Budget("l2", 100, masked=True)
