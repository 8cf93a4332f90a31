from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn
from numpy.typing import NDArray

from unlearnable.errors import DamagedError, SettingError
from unlearnable.noise import Budget, Form, Noise, seal

briefly = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


def finite(dtype: str) -> st.SearchStrategy[Any]:
    width = 32 if dtype == "float32" else 64
    usual = st.floats(-300, 300, width=width)
    return usual | st.floats(allow_nan=False, allow_infinity=False, width=width)


def shapes(rows: int = 3) -> st.SearchStrategy[tuple[int, ...]]:
    side = st.integers(1, 5)
    return st.tuples(st.integers(1, rows), st.sampled_from([1, 3]), side, side)


levels = st.sampled_from(["float32", "float64"]).flatmap(
    lambda dtype: stn.arrays(dtype, shapes(), elements=finite(dtype))
)
linf = st.builds(Budget, st.just("linf"), st.integers(1, 255))
budgets = (
    linf
    | st.builds(Budget, st.just("l2"), st.floats(1, 2000))
    | st.builds(Budget, st.just("l0"), st.integers(1, 30))
    | st.just(Budget("none"))
)


def sealed(values: Any, budget: Budget | None = None, form: Form = "class-wise") -> Noise:
    return seal(np.asarray(values), form=form, budget=budget or Budget("linf", 8))


def keeps(budget: Budget, change: NDArray[Any]) -> bool:
    """Whether one change (C, H, W) of whole numbers is in the budget, in exact arithmetic."""
    whole = [[int(value) for value in channel.flat] for channel in change]
    flat = [value for channel in whole for value in channel]
    if budget.norm == "l2":
        return sum(value**2 for value in flat) <= Fraction(budget.size) ** 2
    if budget.norm == "l0":
        return sum(map(any, zip(*whole, strict=True))) <= budget.size
    return max(map(abs, flat)) <= (255 if budget.norm == "none" else budget.size)


@briefly
@given(levels, budgets)
def test_whatever_finite_floats_come_in_whole_levels_within_the_budget_go_out(
    values: NDArray[Any], budget: Budget
) -> None:
    noise = sealed(values, budget)
    assert noise.values.dtype in (np.int8, np.int16)
    assert noise.values.shape == values.shape
    assert all(keeps(budget, change) for change in noise.values)


@briefly
@given(levels, linf)
def test_linf_takes_the_nearest_level_of_the_budget(values: NDArray[Any], budget: Budget) -> None:
    inside = np.clip(values.astype(np.float64), -budget.size, budget.size)
    assert np.abs(sealed(values, budget).values - inside).max() <= 0.5


@briefly
@given(levels, budgets)
def test_sealing_changes_nothing_in_a_noise_that_is_sealed(
    values: NDArray[Any], budget: Budget
) -> None:
    once = sealed(values, budget).values
    assert np.array_equal(sealed(once.astype(np.float32), budget).values, once)


@briefly
@given(st.integers(2, 60), st.integers(2, 60), st.floats(1, 40))
def test_l2_keeps_a_budget_that_is_a_hair_below_whole_levels(a: int, b: int, times: float) -> None:
    budget = Budget("l2", math.nextafter(math.hypot(a, b), 0))
    noise = sealed(np.array([[[[a * times, -b * times]]]]), budget)
    assert keeps(budget, noise.values[0])
    assert noise.values.any()


def test_l2_keeps_the_direction() -> None:
    noise = sealed(np.array([[[[300.0, -400.0, 0.0]]]]) / 2, Budget("l2", 50))
    assert noise.values.tolist() in ([[[[30, -40, 0]]]], [[[[29, -39, 0]]]])


def test_l0_keeps_the_strongest_pixels_in_all_their_channels() -> None:
    values = np.zeros((1, 3, 2, 2))
    values[0, :, 0, 0] = 9, 1, 1
    values[0, :, 0, 1] = 4, 4, 4
    values[0, :, 1, 1] = 0, -20, 2
    kept = values.copy()
    kept[0, :, 0, 1] = 0
    assert np.array_equal(sealed(values, Budget("l0", 2)).values, kept)


def test_negative_noise_survives() -> None:
    noise = sealed([[[[-8.0, -0.6, -0.4, -100.0]]]])
    assert noise.values.tolist() == [[[[-8, -1, 0, -8]]]]
    assert noise.add_to(np.full((1, 4), 10, np.uint8), 0).tolist() == [[2, 9, 10, 2]]


@pytest.mark.parametrize("size", [127, 128, 255])
def test_the_largest_levels_are_not_wrapped(size: int) -> None:
    noise = sealed([[[[1e9, -1e9]]]], Budget("linf", size))
    assert noise.values.tolist() == [[[[size, -size]]]]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("norm", ["linf", "l2", "l0", "none"])
def test_noise_that_is_not_finite_is_refused(tmp_path: Path, norm: Any, bad: float) -> None:
    values = np.zeros((4, 3, 2, 2), np.float32)
    values[2, 1, 0, 1] = bad
    with pytest.raises(SettingError, match="not finite"):
        seal(values, form="class-wise", budget=Budget(norm), file=tmp_path / "noise.npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(3, 2, 2), (1, 2, 2, 2), (1, 2, 2, 3), (1, 1, 3, 2, 2)])
def test_noise_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SettingError, match="it must be"):
        sealed(np.zeros(shape))


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(SettingError, match="'image-wise': choose one of sample-wise, class-wise"):
        sealed(np.zeros((1, 3, 2, 2)), form="image-wise")  # type: ignore[arg-type]


def images(height: int, width: int) -> st.SearchStrategy[NDArray[np.uint8]]:
    sizes = [(height, width), (height, width, 1), (height, width, 3)]
    return st.sampled_from(sizes).flatmap(lambda shape: stn.arrays(np.uint8, shape))


@briefly
@given(st.data(), levels, budgets)
def test_a_protected_image_keeps_shape_type_and_budget(
    data: st.DataObject, values: NDArray[Any], budget: Budget
) -> None:
    noise = sealed(values, budget)
    clean = data.draw(images(*values.shape[2:]))
    before = clean.copy()
    protected = noise.add_to(clean, 0)
    assert protected.shape == clean.shape
    assert protected.dtype == np.uint8
    assert np.array_equal(clean, before)
    change = protected.astype(int) - clean
    assert keeps(budget, change.reshape(*values.shape[2:], -1).transpose(2, 0, 1))


@briefly
@given(st.data(), st.integers(1, 40), st.integers(1, 40), st.integers(1, 255))
def test_an_image_of_any_size_differs_by_at_most_epsilon(
    data: st.DataObject, height: int, width: int, epsilon: int
) -> None:
    shape = data.draw(shapes(rows=1))
    signs = data.draw(stn.arrays(np.int8, shape, elements=st.sampled_from([-1, 1])))
    noise = sealed(signs * 255.0, Budget("linf", epsilon))
    change = noise.at(0, height, width)
    assert change.shape == (shape[1], height, width)
    assert np.abs(change).max() <= epsilon
    clean = data.draw(images(height, width))
    assert np.abs(noise.add_to(clean, 0).astype(int) - clean).max() <= epsilon


def test_a_protected_pixel_is_clamped_and_not_wrapped() -> None:
    noise = sealed([np.full((3, 2, 2), -8.0), np.full((3, 2, 2), 8.0)])
    clean = np.array([[0, 5], [250, 255]], np.uint8)[:, :, None].repeat(3, axis=2)
    assert noise.add_to(clean, 0)[:, :, 0].tolist() == [[0, 0], [242, 247]]
    assert noise.add_to(clean, 1)[:, :, 2].tolist() == [[8, 13], [255, 255]]


def test_each_channel_takes_its_own_noise() -> None:
    noise = sealed(np.array([1.0, -2, 3]).reshape(1, 3, 1, 1) * np.ones((1, 3, 2, 4)))
    protected = noise.add_to(np.full((2, 4, 3), 100, np.uint8), 0)
    assert (protected == [101, 98, 103]).all()


def test_a_grey_image_takes_the_luma_of_colour_noise() -> None:
    noise = sealed(np.array([8.0, -8, 8]).reshape(1, 3, 1, 1))
    assert noise.add_to(np.full((1, 1), 100, np.uint8), 0).tolist() == [[99]]
    assert sealed(np.full((1, 3, 1, 1), 5.0)).add_to(np.full((1, 1), 100, np.uint8), 0) == 105


def test_a_colour_image_takes_grey_noise_in_each_channel() -> None:
    protected = sealed([[[[5.0, -3]]]]).add_to(np.full((1, 2, 3), 100, np.uint8), 0)
    assert protected.tolist() == [[[105] * 3, [97] * 3]]


def test_noise_resized_is_smooth_between_its_own_values() -> None:
    noise = sealed(np.array([-8.0, 8]).reshape(1, 1, 1, 2))
    row = noise.at(0, 1, 16)[0, 0]
    assert (row[0], row[-1]) == (-8, 8)
    assert (np.diff(row) >= 0).all()
    assert len(set(row.tolist())) > 4


@pytest.mark.parametrize("norm", ["l2", "l0", "none"])
def test_only_linf_noise_can_be_resized(norm: Any) -> None:
    noise = sealed(np.ones((1, 3, 4, 5)), Budget(norm, 3))
    assert noise.at(0, 4, 5).shape == (3, 4, 5)
    with pytest.raises(SettingError, match=f"norm {norm} cannot be resized from 5×4 to 6×4"):
        noise.at(0, 4, 6)


@pytest.mark.parametrize(
    ("size", "hint"),
    [
        (0.03, "so 8/255 is written 8 .for 0.03, write 8."),
        (8 / 255, "write 8"),
        (0, "not above zero"),
        (-1, "not above zero"),
        (8.5, "not a whole number: write 8"),
        (256, "over the full range of 255"),
        (math.nan, "nan is not a number"),
        (math.inf, "inf is not a number"),
        (True, "True is not a number"),
        ("8", "'8' is not a number"),
        (None, "None is not a number"),
    ],
)
def test_a_size_that_is_no_budget_is_refused(size: Any, hint: str) -> None:
    with pytest.raises(SettingError, match=hint):
        Budget("linf", size)


@pytest.mark.parametrize("norm", ["l2", "l0", "none"])
@pytest.mark.parametrize("size", [math.nan, math.inf, True])
def test_a_size_that_is_no_number_is_refused_under_every_norm(norm: Any, size: Any) -> None:
    with pytest.raises(SettingError, match="not a number"):
        Budget(norm, size)


def test_an_unknown_norm_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SettingError, match="'l1': choose one of linf, l2, l0, none"):
        Budget("l1", 8)  # type: ignore[arg-type]


def test_only_l2_takes_parts_of_a_level() -> None:
    assert Budget("l2", 8.5).size == 8.5
    with pytest.raises(SettingError, match="whole number"):
        Budget("l0", 8.5)


@pytest.mark.parametrize(
    ("norm", "expected"), [("linf", [12, 1]), ("l2", [13, 2]), ("l0", [1, 2]), ("none", [12, 1])]
)
def test_each_norm_is_measured_image_by_image(norm: Any, expected: list[float]) -> None:
    changes = np.zeros((2, 3, 2, 2), np.int8)
    changes[0, :, 0, 1] = 12, 0, -5
    changes[1, :2, :, 0] = -1
    assert Budget(norm, 8).measure(changes).tolist() == expected
    assert Budget(norm, 2).admits(changes) == (norm in ("l0", "none"))
    assert Budget(norm, 13).admits(changes)


@pytest.fixture
def saved(tmp_path: Path) -> Noise:
    values = np.random.default_rng(0).uniform(-10, 10, (4, 3, 5, 6))
    noise = seal(values, form="class-wise", budget=Budget(), made_by={"method": "dice"})
    noise.save(tmp_path / "noise.npy")
    return noise


def test_saved_noise_loads_equal_and_memory_mapped(saved: Noise, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "noise.npy"):
        loaded = Noise.load(place)
        assert isinstance(loaded.values, np.memmap)
        assert np.array_equal(loaded.values, saved.values)
        assert loaded.values.dtype == saved.values.dtype
        assert loaded.describe() == saved.describe()
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]


def test_noise_sealed_into_a_file_is_the_one_sealed_in_memory(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 40, (4, 3, 5, 6))
    kept: dict[str, Any] = {"form": "sample-wise", "budget": Budget("l2", 60)}
    noise = seal(values, **kept, file=tmp_path / "noise.npy")
    assert isinstance(noise.values, np.memmap)
    assert np.array_equal(noise.values, seal(values, **kept).values)
    assert np.array_equal(Noise.load(tmp_path).values, noise.values)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["noise.json", "noise.npy"]
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]


@pytest.mark.usefixtures("saved")
def test_a_loaded_noise_can_be_saved_over_its_own_file(tmp_path: Path) -> None:
    loaded = Noise.load(tmp_path)
    loaded.save(tmp_path / "noise.npy")
    assert np.array_equal(Noise.load(tmp_path).values, loaded.values)


@pytest.mark.usefixtures("saved")
def test_no_flipped_bit_goes_unnoticed(tmp_path: Path) -> None:
    file = tmp_path / "noise.npy"
    whole = file.read_bytes()
    for place in [*range(128), 128, 300, len(whole) - 1]:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DamagedError, match=r"noise\.npy is"):
            Noise.load(tmp_path)


@pytest.mark.usefixtures("saved")
def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "noise.npy"
    whole = file.read_bytes()
    for length in (0, 1, 9, 64, 127, 128, 129, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(DamagedError, match=r"noise\.npy is"):
            Noise.load(tmp_path)


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(
    "foreign",
    [
        np.zeros((4, 3, 5, 6), np.int8),
        np.zeros((4, 3, 5, 6), np.float32),
        np.zeros((0, 3, 5, 6), np.int8),
        np.zeros(()),
        np.array([{"pickled": True}], dtype=object),
    ],
    ids=["values", "floats", "empty", "scalar", "objects"],
)
def test_a_foreign_npy_file_is_refused(tmp_path: Path, foreign: NDArray[Any]) -> None:
    np.save(tmp_path / "noise.npy", foreign, allow_pickle=True)
    with pytest.raises(DamagedError, match=r"noise\.npy is"):
        Noise.load(tmp_path)


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize("name", ["noise.npy", "noise.json"])
def test_half_a_noise_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).unlink()
    with pytest.raises(DamagedError, match=f"{name} is missing"):
        Noise.load(tmp_path)


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize(
    "wrong",
    [
        {"budget": 8},
        {"budget": {"norm": "linf", "size": 7}},
        {"budget": {"norm": "linf", "size": 0.03}},
        {"budget": {"norm": "l1", "size": 8}},
        {"budget": {"radius": 8}},
        {"form": "image-wise"},
        {"sha256": "0" * 64},
        {"sha256": None},
    ],
)
def test_a_wrong_description_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    about = json.loads((tmp_path / "noise.json").read_bytes())
    (tmp_path / "noise.json").write_text(json.dumps({**about, **wrong}))
    with pytest.raises(DamagedError, match=r"noise\.npy "):
        Noise.load(tmp_path)


@pytest.mark.usefixtures("saved")
@pytest.mark.parametrize("text", ["", "{", "[]", "8", "null", "{}"])
def test_a_description_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "noise.json").write_text(text)
    with pytest.raises(DamagedError, match="noise"):
        Noise.load(tmp_path)


@pytest.mark.parametrize("budget", [Budget("linf", 8), Budget("l2", 60), Budget("l0", 5)])
def test_random_noise_uses_the_whole_of_a_budget(budget: Budget) -> None:
    noise = sealed(budget.drawn((20, 3, 16, 16), np.random.default_rng(0)), budget)
    strength = budget.measure(np.asarray(noise.values))
    assert (strength > 0.97 * budget.size).all() and (strength <= budget.size).all()
    assert noise.values.min() < 0 < noise.values.max()


def test_without_a_budget_no_random_noise_is_as_strong() -> None:
    with pytest.raises(SettingError, match="without a budget"):
        Budget("none").drawn((1, 3, 8, 8), np.random.default_rng(0))


@briefly
@given(st.integers(0, 2**32 - 1), st.floats(100, 300))
def test_rounding_costs_an_l2_budget_next_to_nothing(seed: int, size: float) -> None:
    budget = Budget("l2", size)
    levels = budget.drawn((4, 3, 16, 16), np.random.default_rng(seed))
    norms = budget.measure(budget.project(levels))
    assert (norms <= size).all() and (norms > 0.99 * size).all()


def test_a_size_is_a_text_or_a_number_and_whole_ones_are_whole() -> None:
    assert Budget("l2", 100.0).size == 100 and isinstance(Budget("l2", 100.0).size, int)
    assert Budget("linf", 8).sized("16") == Budget("linf", 16)
    assert Budget("l2", 8).sized("332.6").size == 332.6
    with pytest.raises(SettingError, match="'much' is not a number"):
        Budget().sized("much")
    with pytest.raises(SettingError, match="looks like a fraction"):
        Budget().sized("0.03")
