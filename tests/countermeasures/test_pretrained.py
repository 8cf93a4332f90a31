from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from unlearnable.cli.app import listed
from unlearnable.countermeasures import make_countermeasure
from unlearnable.countermeasures.pretrained import Pretrained
from unlearnable.data.gather import from_arrays
from unlearnable.data.imageset import ImageSet
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.hooks import NOTHING, Countermeasure
from unlearnable.models import make_model
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.training import Fitted, fit

RUN = Run.start("cpu", precision="float32", seed=0)
Write = Callable[[dict[str, Tensor]], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(tensors: dict[str, Tensor]) -> str:
        save_file(tensors, tmp_path / "weights.safetensors")
        return str(tmp_path / "weights.safetensors")

    return written


def network(classes: int = 10, seed: int = 1) -> nn.Module:
    return make_model("resnet18:2", classes, 32, seed=seed)


def started(weights: str, model: nn.Module) -> dict[str, Tensor]:
    return Pretrained(weights).start(model, shapes(10), run=RUN).state_dict()


@pytest.mark.parametrize("prefix", ["", "module.", "net.encoder."])
def test_a_network_starts_from_the_weights_of_a_file(write: Write, prefix: str) -> None:
    given = network(seed=2).state_dict()
    file = write({f"{prefix}{name}": tensor for name, tensor in given.items()})
    found = started(file, network())
    assert all(found[name].equal(tensor) for name, tensor in given.items())


@pytest.mark.parametrize("classes", [None, 100])
def test_a_last_layer_for_other_classes_or_none_is_left_fresh(
    write: Write, classes: int | None
) -> None:
    given = network(classes or 10, seed=2).state_dict()
    if classes is None:
        del given["head.weight"], given["head.bias"]
    found, fresh = started(write(given), network()), network().state_dict()
    for name, value in found.items():
        assert value.equal(fresh[name] if name.startswith("head.") else given[name]), name


def coloured(count: int = 60) -> ImageSet:
    labels = np.arange(count) % 3
    images = np.random.default_rng(0).integers(0, 60, (count, 8, 8, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 150
    return from_arrays(images, labels, ["red", "green", "blue"], source="colours")


def test_what_was_learnt_before_is_learnt_sooner(write: Write) -> None:
    def fitted(epochs: int, countermeasure: Countermeasure = NOTHING) -> Fitted:
        schedule = Schedule(epochs=epochs, batch_size=20, learning_rate=0.05, augmentations="")
        model = make_model("resnet18:4", 3, 8)
        return fit(model, coloured(), schedule=schedule, run=RUN, countermeasure=countermeasure)

    tensors = fitted(8).model.state_dict()
    file = write({name: tensor.contiguous() for name, tensor in tensors.items()})
    fresh, fine = fitted(1).curve[0].loss, fitted(1, Pretrained(file)).curve[0].loss
    assert fine < 0.5 * fresh


def test_another_network_is_refused_by_the_tensor_that_does_not_fit(write: Write) -> None:
    wider = make_model("resnet18:4", 10, 32).state_dict()
    with pytest.raises(SettingError, match=r"its stages\.0\.bn1\.bias is 4, and the model's 2"):
        started(write(wider), network())
    deeper = make_model("resnet34:2", 10, 32).state_dict()
    with pytest.raises(SettingError, match="and the model's missing"):
        started(write(deeper), network())


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read as safetensors"):
        started(str(tmp_path / "absent.safetensors"), network())
    torch.save({}, tmp_path / "pickled.pt")
    with pytest.raises(SettingError, match="cannot be read as safetensors"):
        started(str(tmp_path / "pickled.pt"), network())


def test_timm_has_no_weights_of_our_networks() -> None:
    with pytest.raises(SettingError, match="name a file of weights"):
        started("timm", network())


def test_weights_of_timm_come_from_the_cache_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    model, source = (make_model("test_resnet", classes, 96, seed=classes) for classes in (10, 1000))
    with pytest.raises(SettingError, match=r"test_resnet\S* are not on this machine"):
        started("timm", model)
    cached = tmp_path / f"models--{model.pretrained_cfg['hf_hub_id'].replace('/', '--')}"
    (cached / "snapshots" / "abc").mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("abc")
    save_file(source.state_dict(), cached / "snapshots" / "abc" / "model.safetensors")
    ready = Pretrained("timm").start(model, shapes(10), run=RUN)
    x = torch.rand(2, 3, 96, 96)
    mean, deviation = (
        torch.tensor(model.pretrained_cfg[name]).view(3, 1, 1) for name in ("mean", "std")
    )
    body, taught = model.eval().forward_features, source.eval().forward_features
    assert torch.allclose(body(x), taught(x))
    assert torch.allclose(ready(x), model((x - mean) / deviation))


def test_the_learning_rate_is_a_share_of_the_usual() -> None:
    assert Pretrained(rate_share=0.5).schedule(Schedule(learning_rate=0.4)).learning_rate == 0.2
    with pytest.raises(SettingError, match="rate_share=0 is out of range"):
        Pretrained(rate_share=0)


def test_other_weights_under_the_same_name_are_another_countermeasure(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    text = f"pretrained:{file}"
    absent = make_countermeasure(text).settings
    file.write_bytes(b"one")
    first = make_countermeasure(f"gray+{text}").settings
    file.write_bytes(b"other")
    other = make_countermeasure(f"gray+{text}").settings
    assert first[0] == other[0] and first[1] != other[1] != absent[0]


def test_a_path_with_marks_in_it_stands_in_quotes(tmp_path: Path) -> None:
    file = tmp_path / "a:b+c,d=e.safetensors"
    named = make_countermeasure(f'pretrained:"{file}"+gray')
    assert named.name == f'pretrained:"{file}"+gray'
    assert named.settings[0]["weights"] == str(file)
    assert make_countermeasure(named.name) == named
    again = make_countermeasure(f'pretrained:weights="{file}":rate_share=0.5')
    assert again.name == f'pretrained:"{file}":rate_share=0.5'
    assert listed(f"gray,{named.name}") == ["gray", named.name]
