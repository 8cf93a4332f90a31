from __future__ import annotations

import platform
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from unlearnable.errors import SettingError
from unlearnable.runtime import Run


def run(seed: int = 0, precision: str = "float32") -> Run:
    return Run.start("cpu", seed=seed, precision=precision)


def draws(one: Run, *purpose: object) -> tuple[list[int], list[int]]:
    from_torch = torch.randint(1 << 30, (4,), generator=one.generator(*purpose)).tolist()
    return from_torch, one.rng(*purpose).integers(1 << 30, size=4).tolist()


def test_the_same_seed_and_purpose_give_the_same_draws() -> None:
    assert draws(run(), "noise", 3) == draws(run(), "noise", 3)
    assert draws(run(5).seeded("cell")) == draws(run(5).seeded("cell"))


@pytest.mark.parametrize(
    ("other", "purpose"),
    [
        (run(1), ("noise", 3)),
        (run(), ("noise", 4)),
        (run(), ("order", 3)),
        (run(), ("noise",)),
        (run(), ("noise3",)),
        (run(), ()),
        (run().seeded("cell"), ("noise", 3)),
    ],
)
def test_another_seed_or_purpose_gives_other_draws(other: Run, purpose: tuple[Any, ...]) -> None:
    for one, two in zip(draws(run(), "noise", 3), draws(other, *purpose), strict=True):
        assert one != two


def test_draws_for_one_purpose_leave_those_for_another_and_the_global_state_alone() -> None:
    one, state = run(), torch.get_rng_state()
    expected = draws(one, "order")
    torch.randn(9, generator=one.generator("noise"))
    assert draws(one, "order") == expected
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["tpu", "", "cuda:99", "cpu:x"])
def test_a_device_that_is_not_there_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(SettingError, match="choose one of auto, cpu") as refusal:
        Run.start(name)
    assert repr(name) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_unknown_precision_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SettingError, match="'float16': choose one of float32, bfloat16"):
        run(precision="float16")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_networks_compute_in_the_precision_asked_for(precision: str) -> None:
    one = run(precision=precision)
    with one.autocast():
        computed = torch.ones(2, 2) @ torch.ones(2, 2)
    assert computed.dtype == one.dtype == getattr(torch, precision)
    assert one.hardware()["precision"] == precision


def test_auto_chooses_a_precision_and_a_device_that_are_there() -> None:
    one = Run.start()
    assert one.precision in ("float32", "bfloat16")
    assert torch.zeros(1, device=one.device).item() == 0


def test_uploaded_images_are_channels_first_by_shape_and_last_in_memory() -> None:
    images = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    there = run().upload(images[:, ::-1])
    assert there.shape == (2, 3, 4, 5)
    assert there.dtype == torch.uint8
    assert there.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(there.numpy(), images[:, ::-1].transpose(0, 3, 1, 2))


def test_the_number_of_threads_holds_within_a_block_only() -> None:
    before = torch.get_num_threads()
    with run().on_threads(1):
        assert torch.get_num_threads() == 1
    with run().on_threads(None):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another memory allocator")
def test_memory_that_tensors_free_is_kept_and_not_faulted_in_again() -> None:
    code = """
import resource, torch
from unlearnable.runtime import Run
Run.start("cpu")
def use():
    for _ in range(4):
        tensors = [torch.ones(1 << 20) for _ in range(8)]
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
found = []
for _ in range(8):  # the heap finds its size in the first few
    before = faults()
    use()
    found.append(faults() - before)
print(min(found))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000, "4 × 8 tensors of 1,024 pages"


def test_parts_of_a_stage_tell_how_far_the_whole_is() -> None:
    told: list[tuple[str, float, object]] = []
    run = Run.start(
        "cpu", tell=lambda stage, done, /, **figures: told.append((stage, done, figures))
    )
    for place in range(2):
        run.part(place, 2).tell("train", 0.5, epoch=3)
    assert told == [("train", 0.25, {"epoch": 3}), ("train", 0.75, {"epoch": 3})]


def test_a_run_on_any_gpu_can_be_on_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    anywhere, named = Run("cuda", "bfloat16", 0), Run("cuda:1", "bfloat16", 0)
    assert [run.device for run in anywhere.everywhere()] == ["cuda:0", "cuda:1", "cuda:2"]
    assert named.everywhere() == [named]
    assert run().everywhere() == [run()]
