import importlib.util
import io
from importlib.machinery import ModuleSpec

import numpy as np
import pytest
import torch
from PIL import Image

from unlearnable.data.recoding import recoded
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.methods import make_method
from unlearnable.methods.layout import noise_shape
from unlearnable.methods.ways import WAYS, through, ways_of
from unlearnable.noise import Budget, seal
from unlearnable.runtime import Run

DATA = shapes(40)
IMAGES = torch.from_numpy(DATA.images).permute(0, 3, 1, 2) / 255


def generator():
    return torch.Generator().manual_seed(3)


def gone(name, amount=None, x=IMAGES):
    way, usual, *_ = WAYS[name]
    return way(x, amount or usual, generator())


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_gives_the_pixels_of_pillows_file(channels):
    x = IMAGES[:5, :channels]
    for image, found in zip(x, gone("jpeg", 60, x), strict=True):
        levels = (image * 255).byte().permute(1, 2, 0).numpy()
        buffer = io.BytesIO()
        Image.fromarray(levels.squeeze()).save(buffer, "JPEG", quality=60)
        expected = np.asarray(Image.open(buffer)).reshape(levels.shape)
        assert np.array_equal((found * 255).round().byte().permute(1, 2, 0).numpy(), expected)


def test_a_smaller_copy_is_that_of_pillow():
    found = gone("resize", 0.5)[0].permute(1, 2, 0).numpy() * 255
    picture = Image.fromarray(DATA.images[0])
    small = picture.resize((16, 16), Image.Resampling.BICUBIC)
    back = np.asarray(small.resize((32, 32), Image.Resampling.BICUBIC), np.float32)
    assert np.abs(found.clip(0, 255) - back).max() < 2  # Pillow rounds in between


def test_gray_is_the_luma_of_pillow():
    luma = np.asarray(Image.fromarray(DATA.images[0]).convert("L"), np.float32)
    found = gone("gray")[0].numpy() * 255
    assert np.abs(found - luma).max() < 1 and np.ptp(found, axis=0).max() == 0


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_way_has_a_gradient_and_stays_in_range(name, channels):
    x = IMAGES[:6, :channels].clone().requires_grad_(True)
    out = through(x, [name], generator())
    assert out.shape == x.shape and out.min() >= 0 and out.max() <= 1
    out.square().sum().backward()
    reached = x.grad.abs().flatten(1).sum(1)
    assert torch.isfinite(x.grad).all() and (reached > 0).all()


def test_some_images_stay_as_they_are_and_some_go_each_way():
    x = torch.rand(90, 3, 16, 16, generator=generator())
    out = through(x, ["gray", "resize:0.5"], generator())
    same = (out == x).flatten(1).all(1)
    grey = (out.amax(1) - out.amin(1)).flatten(1).amax(1) == 0
    assert 15 < same.sum() < 45 and 15 < grey.sum() < 45 and (~same & ~grey).sum() > 15
    assert torch.equal(out, through(x, ["gray", "resize:0.5"], generator()))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("blur", "jpeg, resize, crop, gray"),
        ("jpeg:96", "from 1 to 95, as in jpeg:75"),
        ("jpeg:best", "from 1 to 95"),
        ("resize:2", "from 0.1 to 1"),
    ],
)
def test_what_is_no_way_is_refused_with_what_there_is(name, says):
    with pytest.raises(SettingError, match=says):
        make_method("em", {"survive": name})


def test_without_kornia_jpeg_is_refused_before_the_search(monkeypatch):
    def found(name: str) -> ModuleSpec | None:
        return None if name == "kornia" else importlib.util.find_spec(name)

    monkeypatch.setattr("unlearnable.methods.ways.find_spec", found)
    assert ways_of(["gray", "crop:30"])
    with pytest.raises(SettingError, match=r"pip install 'unlearnable\[augment\]'"):
        ways_of(["gray", "jpeg"])


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_found_through_jpeg_survives_it_better(seed):
    settings = {"surrogate": "resnet18:4", "rounds": "4"}

    def left(survive):
        method = make_method("em", {**settings, "survive": survive})
        levels = np.zeros(noise_shape(DATA, method.form), np.float32)
        method(DATA, Budget(), run=Run.start("cpu", seed=seed), out=levels)
        noise = seal(levels, form=method.form, budget=Budget())
        protected = [noise.add_to(image, row) for row, image in enumerate(DATA.images)]

        def after(images):
            return np.stack([recoded(image, "JPEG", quality=10) for image in images]).astype(float)

        delta = np.stack(protected).astype(float) - DATA.images
        return (((after(protected) - after(DATA.images)) * delta).sum()) / (delta**2).sum()

    assert left("jpeg:10") > left("") + 0.1
