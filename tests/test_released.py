from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unlearnable.errors import DamagedError, SettingError
from unlearnable.noise import Budget, Form
from unlearnable.released import import_released


class Trap:
    """Touches a file when it is unpickled by a reader that runs code."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "perturbation.pt"


@pytest.mark.parametrize(("form", "rows"), [("sample-wise", 7), ("class-wise", 2)])
def test_a_release_is_imported_row_by_row(file: Path, form: Form, rows: int) -> None:
    whole = np.random.default_rng(0).integers(-8, 9, (rows, 3, 4, 5))
    torch.save(torch.from_numpy(whole / 255), file)
    noise = import_released(file, form=form)
    assert np.array_equal(noise.values, whole)
    assert (noise.form, noise.budget) == (form, Budget("linf", 8))
    assert noise.made_by == {"method": "released"}


def test_values_are_rounded_to_the_nearest_level_and_negative_ones_are_kept(file: Path) -> None:
    between = torch.tensor([-7.9, -1.6, -0.6, -0.4, 0.4, 0.6, 1.6, 7.9]).view(1, 1, 2, 4)
    torch.save(between / 255, file)
    noise = import_released(file, form="class-wise")
    assert noise.values.flatten().tolist() == [-8, -2, -1, 0, 0, 1, 2, 8]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_any_precision_gives_the_same_levels(file: Path, dtype: torch.dtype) -> None:
    torch.save((torch.arange(-8, 9).view(1, 1, 1, 17) / 255).to(dtype), file)
    noise = import_released(file, form="class-wise")
    assert noise.values.flatten().tolist() == list(range(-8, 9))


def test_a_parameter_is_a_tensor_too(file: Path) -> None:
    torch.save(torch.nn.Parameter(torch.full((1, 3, 2, 2), -4 / 255)), file)
    assert (import_released(file, form="class-wise").values == -4).all()


def test_a_pickle_with_code_in_it_is_refused_and_its_code_not_run(
    file: Path, tmp_path: Path
) -> None:
    torch.save(Trap(tmp_path / "sprung"), file)
    with pytest.raises(DamagedError, match="not a file of plain tensors"):
        import_released(file, form="class-wise")
    assert not (tmp_path / "sprung").exists()
    torch.load(file, weights_only=False)
    assert (tmp_path / "sprung").exists(), "the trap does not work"


@pytest.mark.parametrize("content", [[torch.zeros(1, 3, 2, 2)], {}, 8, torch.zeros(3, 2, 2)])
def test_a_file_of_anything_but_one_tensor_is_refused(file: Path, content: Any) -> None:
    torch.save(content, file)
    with pytest.raises(DamagedError, match="does not hold one tensor"):
        import_released(file, form="class-wise")


@pytest.mark.parametrize("content", [b"", b"hello", b"....", b"\x93NUMPY", b"PK\x03\x04 and so on"])
def test_a_file_of_another_format_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(DamagedError, match="not a file of plain tensors"):
        import_released(file, form="class-wise")


def test_a_file_cut_short_is_refused(file: Path) -> None:
    torch.save(torch.zeros(2, 3, 4, 4), file)
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DamagedError, match="not a file of plain tensors"):
        import_released(file, form="class-wise")


def test_a_missing_file_is_refused(file: Path) -> None:
    with pytest.raises(DamagedError, match="is missing"):
        import_released(file, form="class-wise")


def test_a_change_over_the_budget_is_refused_unless_that_budget_is_named(file: Path) -> None:
    torch.save(torch.full((1, 3, 2, 2), -16 / 255), file)
    with pytest.raises(DamagedError, match=r"up to 16\.0 levels, more than epsilon 8"):
        import_released(file, form="class-wise")
    assert (import_released(file, form="class-wise", epsilon=16).values == -16).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(file: Path, bad: float) -> None:
    torch.save(torch.tensor([0.0, bad]).view(1, 1, 1, 2), file)
    with pytest.raises(DamagedError, match="holds changes of up to"):
        import_released(file, form="class-wise")


def test_a_budget_written_as_a_fraction_is_refused(file: Path) -> None:
    torch.save(torch.zeros(1, 3, 2, 2), file)
    with pytest.raises(SettingError, match="8/255 is written 8"):
        import_released(file, form="class-wise", epsilon=8 / 255)
