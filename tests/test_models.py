from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unlearnable.errors import SettingError
from unlearnable.models import make_model


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def flat(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def images(count: int = 4, side: int = 16, channels: int = 3) -> Tensor:
    shape = (count, channels, side, side)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def dense() -> nn.Module:
    return make_model("densenet121", 7, 32)


def test_resnet18_of_width_16_has_the_known_number_of_parameters() -> None:
    assert parameters(make_model("resnet18:16", 10, 32)) == 701_466


def test_without_a_width_a_resnet_has_the_published_one() -> None:
    small = make_model("resnet18", 10, 32)
    assert parameters(small) == 11_173_962
    assert small.get_submodule("head").in_features == 512


@pytest.mark.parametrize(("name", "features"), [("resnet34:2", 16), ("resnet50:2", 64)])
def test_deeper_resnets_give_logits_for_grey_images(name: str, features: int) -> None:
    model = make_model(name, 5, 16, channels=1).eval()
    assert model(images(2, channels=1)).shape == (2, 5)
    assert model.get_submodule("head").in_features == features


def test_vgg11_and_densenet121_come_narrow_too() -> None:
    vgg, narrow = make_model("vgg11", 10, 32), make_model("vgg11:4", 10, 32)
    assert parameters(vgg) == 9_228_362
    assert narrow.eval()(images(2, 32)).shape == (2, 10)
    dense = make_model("densenet121:4", 10, 32)
    assert dense.eval()(images(2, 32)).shape == (2, 10)
    assert parameters(dense) < 200_000


@pytest.mark.parametrize(
    ("side", "stride", "last"), [(32, 1, 4), (64, 1, 8), (65, 2, 3), (224, 2, 7)]
)
def test_the_stem_suits_the_size_of_the_images(side: int, stride: int, last: int) -> None:
    model = make_model("resnet18:2", 3, side).eval()
    stem = model.get_submodule("stem")
    first = stem.get_submodule("0")
    assert isinstance(first, nn.Conv2d)
    assert first.stride == (stride, stride)
    pools = [module for module in stem.modules() if isinstance(module, nn.MaxPool2d)]
    assert len(pools) == (stride == 2)
    assert model.get_submodule("stages")(stem(images(1, side))).shape[2:] == (last, last)


def test_the_seed_decides_the_weights() -> None:
    one, same, other = (flat(make_model("resnet18:4", 3, 16, seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    make_model("resnet18:4", 3, 16, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_random_state_of_the_gpu_is_left_alone() -> None:
    before = torch.cuda.get_rng_state()
    make_model("resnet18:4", 3, 16, seed=1)
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_an_unknown_name_is_refused_with_valid_ones() -> None:
    with pytest.raises(SettingError) as refusal:
        make_model("densnet121", 10, 32)
    message = str(refusal.value)
    assert "'densnet121'" in message
    for name in ("resnet18", "resnet34", "resnet50", "resnet18:16", "densenet121"):
        assert name in message


@pytest.mark.parametrize(
    "name", ["resnet18:0", "resnet18:-4", "resnet18:x", "resnet18:4:4", "vgg:x"]
)
def test_a_width_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match="a width is a number behind resnet18, resnet34"):
        make_model(name, 10, 32)


def test_a_network_of_timm_gets_a_small_stem_for_small_images(dense: nn.Module) -> None:
    first = dense.get_submodule("features.conv0")
    assert isinstance(first, nn.Conv2d)
    assert (first.kernel_size, first.stride) == ((3, 3), (1, 1))
    assert isinstance(dense.get_submodule("features.pool0"), nn.Identity)
    with torch.no_grad():
        assert dense(images(1, 32)).shape == (1, 7)
