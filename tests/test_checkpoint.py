from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from unlearnable.checkpoint import Checkpoint, pack, unpack
from unlearnable.errors import DamagedError, DestinationError, SettingError

SETTINGS = {"epochs": 3, "rate": 0.1, "classes": ["a", "b"]}
TENSORS = {
    "weights": torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).to(
        memory_format=torch.channels_last
    ),
    "half": torch.tensor([0.1, -0.0, 1e-8], dtype=torch.bfloat16),
    "count": torch.tensor(7),
    "levels": torch.tensor([[-128, 127]], dtype=torch.int8),
}


def checkpoint(folder: Path | None, **others: Any) -> Checkpoint:
    return Checkpoint(folder, "fit", {**SETTINGS, **others})


def loaded(one: Checkpoint) -> tuple[dict[str, Tensor], dict[str, Any]]:
    saved = one.load()
    assert saved is not None
    return saved


def test_a_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    checkpoint(tmp_path).save(TENSORS, {"epoch": 2, "curve": [0.1, None]})
    tensors, where = loaded(checkpoint(tmp_path))
    assert where == {"epoch": 2, "curve": [0.1, None]}
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_a_state_is_private_and_alone(tmp_path: Path) -> None:
    checkpoint(tmp_path).save(TENSORS, {})
    assert [path.name for path in tmp_path.iterdir()] == ["fit.safetensors"]
    assert (tmp_path / "fit.safetensors").stat().st_mode & 0o777 == 0o600


def test_the_last_state_counts(tmp_path: Path) -> None:
    for epoch in range(3):
        checkpoint(tmp_path).save({"epoch": torch.tensor(epoch)}, {"epoch": epoch})
    tensors, where = loaded(checkpoint(tmp_path))
    assert (tensors["epoch"], where) == (2, {"epoch": 2})


def test_without_a_state_there_is_none(tmp_path: Path) -> None:
    assert checkpoint(tmp_path).load() is None


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint(None).save(TENSORS, {"epoch": 1})
    assert checkpoint(None).load() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "others", [{"epochs": 4}, {"rate": 0.2}, {"classes": ["b", "a"]}, {"x": 0}]
)
def test_a_state_of_other_settings_is_refused(tmp_path: Path, others: dict[str, Any]) -> None:
    checkpoint(tmp_path).save(TENSORS, {})
    with pytest.raises(SettingError, match="left by a run with other settings"):
        checkpoint(tmp_path, **others).load()


def test_the_order_of_settings_does_not_matter(tmp_path: Path) -> None:
    checkpoint(tmp_path).save(TENSORS, {"epoch": 1})
    turned = Checkpoint(tmp_path, "fit", dict(reversed(SETTINGS.items())))
    assert loaded(turned)[1] == {"epoch": 1}


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 64, b"\x02" + bytes(7) + b"{}"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "fit.safetensors").write_bytes(content)
    with pytest.raises(DamagedError, match="is damaged: delete it to start again"):
        checkpoint(tmp_path).load()


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    checkpoint(tmp_path).save(TENSORS, {})
    path = tmp_path / "fit.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedError, match="is damaged"):
        checkpoint(tmp_path).load()


def test_weights_of_another_library_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "fit.safetensors")
    with pytest.raises(DamagedError, match="is damaged"):
        checkpoint(tmp_path).load()


def test_a_folder_that_cannot_be_written_to_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DestinationError, match=r"fit\.safetensors cannot be written"):
        checkpoint(tmp_path / "missing").save(TENSORS, {})


def test_packed_states_do_not_mix() -> None:
    one, other = {"a.b": torch.zeros(1)}, {"a.b": torch.ones(1), "c": torch.ones(2)}
    mixed = {**pack("model", one), **pack("model2", other)}
    assert len(mixed) == 3
    assert unpack("model", mixed) == one
    assert unpack("model2", mixed) == other
