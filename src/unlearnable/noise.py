"""Budgets and finished noise: the one door through which floats become a change to pixels.

Units are whole levels of 255 everywhere: the field's usual 8/255 is written 8.
"""

from __future__ import annotations

import json
import math
import tokenize
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unlearnable.errors import DamagedError, SettingError, unknown
from unlearnable.masking import texture
from unlearnable.storage import map_new, open_new, read_json, replacing, sha256_array, write_json

Norm = Literal["linf", "l2", "l0", "none"]
Form = Literal["sample-wise", "class-wise"]

WORDS = {"linf": "L∞ {:g}", "l2": "L2 {:g}", "l0": "L0 {:g}", "none": "no bound"}
FULL = 255
MIDDLE = 128
SHRINKS, HALVINGS = 0.8, 8  # the smallest share that is tried of a row, and how finely
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in Pillow's conversion to grey
# what NumPy's reader and our own description raise at a file that is not ours
UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, tokenize.TokenError, SettingError)
CHUNK = 1 << 24  # values handled at a time, so that memory does not grow with the data set


@dataclass(frozen=True)
class Budget:
    """How large a change may be.

    Args:
        norm: "linf", "l2", "l0" (changed pixels) or "none".
        size: in levels of 255; in pixels for "l0"; not used for "none". Whole for "linf" and "l0".
        masked: whether even parts of a picture get only a share of it, see `masking.py`.

    Raises:
        SettingError: the size is a fraction, zero, negative or over the full range, or another
            norm than "linf" is masked.

    Example:
        >>> Budget("linf", 8)
        Budget(norm='linf', size=8, masked=False)
    """

    norm: Norm = "linf"
    size: float = 8
    masked: bool = False

    def __post_init__(self) -> None:
        if self.norm not in get_args(Norm):
            raise unknown("norm", str(self.norm), get_args(Norm))
        if self.masked and self.norm != "linf":
            raise SettingError(f"--masking needs the norm linf, not {self.norm}: leave one out.")
        number = isinstance(self.size, int | float) and not isinstance(self.size, bool)
        if not (number and abs(self.size) < math.inf):
            raise SettingError(f"epsilon {self.size!r} is not a number: the usual budget is 8.")
        if self.size == int(self.size):
            object.__setattr__(self, "size", int(self.size))  # 8.0 is written 8 everywhere
        if self.norm == "none":
            return
        if not self.size > 0:
            raise SettingError(f"epsilon {self.size} is not above zero: the usual budget is 8.")
        if self.size < 1:
            raise SettingError(
                f"epsilon {self.size} looks like a fraction of 1: budgets are in levels of 255, "
                f"so 8/255 is written 8 (for {self.size}, write {max(1, round(self.size * FULL))})."
            )
        if self.norm != "l2" and self.size != int(self.size):
            raise SettingError(f"epsilon {self.size} is not a whole number: write {self.size:.0f}.")
        if self.norm == "linf" and self.size > FULL:
            raise SettingError(f"epsilon {self.size} is over the full range of {FULL} levels.")

    def sized(self, text: str) -> Budget:
        """The same norm at another size, given as a text.

        Raises:
            SettingError: it is no number, or no size of this norm.
        """
        try:
            size = float(text)
        except ValueError:
            raise SettingError(
                f"epsilon {text!r} is not a number: write it as a number, as in 8 or 332.6."
            ) from None
        return replace(self, size=size)

    @property
    def words(self) -> str:
        """As in `L∞ 8`."""
        return WORDS[self.norm].format(self.size)

    def measure(self, changes: NDArray[Any]) -> NDArray[np.float64]:
        """The norm of each change; `changes` is (rows, C, H, W) in levels, the result (rows,)."""
        flat = np.abs(changes.reshape(len(changes), -1).astype(np.float64))
        if self.norm == "l2":
            return np.sqrt((flat**2).sum(1))
        if self.norm == "l0":
            return (changes != 0).any(1).reshape(len(changes), -1).sum(1).astype(np.float64)
        return flat.max(1, initial=0.0)

    def admits(self, changes: NDArray[Any]) -> bool:
        """Whether every change keeps the budget."""
        limit = FULL if self.norm == "none" else self.size
        return bool((self.measure(changes) <= limit).all())

    def filled(self, levels: NDArray[Any]) -> NDArray[np.float64]:
        """Float levels (rows, C, H, W), each row made as strong as an L∞ or L2 budget allows."""
        assert self.norm in ("linf", "l2"), "see `norms` of a method"
        strength = np.maximum(self.measure(levels), 1e-12)
        return levels * (self.size / strength).reshape(-1, 1, 1, 1)

    def drawn(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        """Random float levels (rows, C, H, W) that use the whole budget.

        Uniform within L∞, in a random direction within L2, random colours of random pixels in L0.

        Raises:
            SettingError: there is no budget.
        """
        if self.norm == "linf":
            return rng.uniform(-self.size, self.size, shape)
        if self.norm == "l2":
            return self.filled(rng.standard_normal(shape))
        if self.norm == "none":
            raise SettingError(
                "without a budget there is no random noise of equal size: leave the random arm out."
            )
        return rng.uniform(-FULL, FULL, shape)  # of which `project` keeps the largest pixels

    def project(self, levels: NDArray[Any]) -> NDArray[np.int16]:
        """Bring float levels (rows, C, H, W) to the nearest whole levels within the budget."""
        levels = np.asarray(levels, dtype=np.float64)
        if self.norm == "linf":
            return np.rint(np.clip(levels, -self.size, self.size)).astype(np.int16)
        levels = np.clip(levels, -FULL, FULL)
        if self.norm == "l2":
            return self._project_l2(levels)
        if self.norm == "l0":
            levels = self._largest_pixels(levels)
        return np.rint(levels).astype(np.int16)

    def _project_l2(self, levels: NDArray[np.float64]) -> NDArray[np.int16]:
        norms = self.measure(levels).reshape(-1, 1, 1, 1)
        inside = self.size * (1 - 1e-12)  # by more than the rounding errors of the next line
        levels = levels * np.minimum(1, inside / np.maximum(norms, 1e-12))
        whole = np.rint(levels)
        over = self.measure(whole) > self.size
        if over.any():
            whole[over] = self._shrunk(levels[over])
        return whole.astype(np.int16)

    def _shrunk(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows that leave the L2 ball when rounded, shrunk by as little as is found to do."""
        best = np.trunc(levels)  # rounding towards zero cannot leave the ball
        low, high = np.full((len(levels), 1, 1, 1), SHRINKS), np.ones((len(levels), 1, 1, 1))
        for _ in range(HALVINGS):
            share = (low + high) / 2
            whole = np.rint(share * levels)
            fits = self.measure(whole) <= self.size
            best[fits] = whole[fits]
            low[fits], high[~fits] = share[fits], share[~fits]
        return best

    def _largest_pixels(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        strength = np.abs(levels).max(1).reshape(len(levels), -1)
        order = np.argsort(-strength, axis=1, kind="stable")
        kept = np.zeros(strength.shape, dtype=bool)
        np.put_along_axis(kept, order[:, : int(self.size)], True, axis=1)
        return levels * kept.reshape(len(levels), 1, *levels.shape[2:])


@dataclass(frozen=True, eq=False)
class Noise:
    """A finished, checked change; made by `seal` alone.

    Attributes:
        values: whole levels, (rows, C, H, W), C being 1 or 3; memory-mapped when loaded. A row is
            an image for sample-wise noise, a class for class-wise noise.
        form: "sample-wise" or "class-wise".
        budget: the bound that every row keeps.
        made_by: the method and its settings, versions, class names.
    """

    values: NDArray[np.int8] | NDArray[np.int16]
    form: Form
    budget: Budget
    made_by: dict[str, Any]

    def __len__(self) -> int:
        return len(self.values)

    def at(
        self, row: int, height: int, width: int, *, within: NDArray[np.float32] | None = None
    ) -> NDArray[np.int16]:
        """One row's noise at a size in pixels: (C, height, width) whole levels, in budget.

        Another size than its own is reached by bilinear interpolation, which keeps an L-infinity
        budget; the other norms have no such guarantee and are refused.

        Args:
            row: which.
            height: in pixels.
            width: in pixels.
            within: the share that each pixel of the noise's own size gets, 0 to 1; None: all.

        Raises:
            SettingError: a resize under another norm than "linf".
        """
        values = self.levels(row, within)
        if values.shape[1:] == (height, width):
            return np.rint(values).astype(np.int16)
        if self.budget.norm != "linf":
            raise SettingError(
                f"noise under the norm {self.budget.norm} cannot be resized from "
                f"{values.shape[2]}×{values.shape[1]} to {width}×{height}: give images of one size."
            )
        if self.budget.size < MIDDLE:
            planes = [np.asarray(enlarged(c, (width, height))).astype(np.int16) for c in values]
            return np.stack(planes) - MIDDLE
        planes = [
            np.asarray(Image.fromarray(c.astype(np.float32)).resize((width, height), BILINEAR))
            for c in values
        ]
        return self.budget.project(np.stack(planes)[None])[0]

    def levels(self, row: int, within: NDArray[np.float32] | None = None) -> NDArray[Any]:
        """One row at its own size, (C, H, W); of each pixel the share that it gets."""
        values = np.asarray(self.values[row])
        return values if within is None else values * within

    def within(self, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """The share of the noise that each pixel of an image (H, W, C) gets; None: all of it."""
        _, _, height, width = self.values.shape
        return texture(image, (height, width)) if self.budget.masked else None

    def add_to(
        self, image: NDArray[np.uint8], row: int, *, within: NDArray[np.float32] | None = None
    ) -> NDArray[np.uint8]:
        """The protected image: `image` (H, W) or (H, W, 1 or 3), uint8; same shape out.

        A grey image takes the luma of three-channel noise; a colour image takes one-channel noise
        in each channel. Under a masked budget each pixel gets the share that the image says, or
        `within`.
        """
        pixels = image[:, :, None] if image.ndim == 2 else image
        height, width, channels = pixels.shape
        within = self.within(pixels) if within is None else within
        change = self.at(row, height, width, within=within)
        if channels != len(change):
            weights = LUMA[None] if channels == 1 else np.ones((channels, 1))
            change = self.budget.project(np.tensordot(weights, change, axes=1)[None])[0]
        total = pixels.astype(np.int16) + change.transpose(1, 2, 0)
        return total.clip(0, FULL).astype(np.uint8).reshape(image.shape)

    def describe(self) -> dict[str, Any]:
        """All but the values, ready for JSON."""
        return {"form": self.form, "budget": asdict(self.budget), "made_by": self.made_by}

    def save(self, file: Path | str) -> None:
        """Write `FILE.npy` and beside it `FILE.json`, private, each whole or absent."""
        file = Path(file)
        with replacing(file, private=True) as unfinished, open_new(unfinished, private=True) as out:
            np.lib.format.write_array(out, np.asarray(self.values), allow_pickle=False)
        _write_description(file, self)

    @classmethod
    def load(cls, file: Path | str) -> Noise:
        """Open a saved noise, memory-mapped: an `.npy` file, or the private folder that holds it.

        Raises:
            DamagedError: the file is missing, damaged, changed, or no noise of this library.

        Example:
            >>> import tempfile
            >>> noise = seal(np.ones((2, 3, 8, 8)), form="class-wise", budget=Budget())
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     noise.save(f"{folder}/noise.npy")
            ...     Noise.load(folder).values.shape
            (2, 3, 8, 8)
        """
        file = Path(file)
        file = file / "noise.npy" if file.is_dir() else file
        about = read_json(file.with_suffix(".json"))
        try:
            values = np.lib.format.open_memmap(file, mode="r")
            budget, form = Budget(**about["budget"]), about["form"]
            made_by, expected = about["made_by"], about["sha256"]
        except FileNotFoundError as error:
            raise DamagedError(f"{file} is missing.") from error
        except UNREADABLE as error:
            raise DamagedError(f"{file} is not a noise that this library saved.") from error
        if values.ndim != 4 or sha256_array(values) != expected:
            raise DamagedError(f"{file} is damaged: its values are not those that were saved.")
        if form not in get_args(Form) or not _admitted(values, budget):
            raise DamagedError(f"{file} does not keep the budget that it states.")
        return cls(values, form, budget, made_by)


BILINEAR = Image.Resampling.BILINEAR


def enlarged(plane: NDArray[Any], size: tuple[int, int]) -> Image.Image:
    """Levels under `MIDDLE` (h, w) as a grey picture (width, height), of which `MIDDLE` is none.

    Bilinear interpolation of whole numbers keeps an L-infinity budget, rounding included.
    """
    grey = (np.rint(plane) + MIDDLE).astype(np.uint8)
    return Image.fromarray(grey).resize(size, BILINEAR)


def seal(
    levels: NDArray[Any],
    *,
    form: Form,
    budget: Budget,
    made_by: dict[str, Any] | None = None,
    file: Path | None = None,
) -> Noise:
    """Turn float levels into a noise: projected, rounded to nearest within the budget, checked.

    The only maker of a `Noise`. Works in chunks, so `levels` may be memory-mapped.

    Args:
        levels: (rows, C, H, W) in levels of 255, C being 1 or 3; whatever floats come in.
        form: "sample-wise" (a row an image) or "class-wise" (a row a class).
        budget: the bound to keep.
        made_by: what is to be remembered of how it was made.
        file: where to save it at once; the noise is then memory-mapped from there.

    Raises:
        SettingError: the shape is wrong or a value is not finite.
    """
    if levels.ndim != 4 or levels.shape[1] not in (1, 3):
        raise SettingError(f"noise of shape {levels.shape}: it must be (rows, 1 or 3, H, W).")
    if form not in get_args(Form):
        raise unknown("form", str(form), get_args(Form))
    dtype = np.dtype(np.int8 if budget.norm == "linf" and budget.size <= 127 else np.int16)
    made_by = made_by or {}
    if file is None:
        values = np.empty(levels.shape, dtype)
        _fill(values, levels, budget)
        return Noise(values, form, budget, made_by)
    with replacing(file, private=True) as unfinished:
        mapped = map_new(unfinished, dtype, levels.shape)
        _fill(mapped, levels, budget)
        mapped.flush()
        del mapped
    noise = Noise(np.lib.format.open_memmap(file, mode="r"), form, budget, made_by)
    _write_description(file, noise)
    return noise


def _fill(values: NDArray[Any], levels: NDArray[Any], budget: Budget) -> None:
    for rows in _chunks(levels):
        chunk = np.asarray(levels[rows])
        if not np.isfinite(chunk).all():
            raise SettingError(
                f"the noise of rows {rows.start} to {rows.stop - 1} is not finite: "
                "the search diverged; lower its learning rate or try another seed."
            )
        whole = budget.project(chunk)
        assert budget.admits(whole), "the projection left the budget"
        values[rows] = whole


def _admitted(values: NDArray[Any], budget: Budget) -> bool:
    return all(budget.admits(np.asarray(values[rows])) for rows in _chunks(values))


def _chunks(array: NDArray[Any]) -> Iterator[slice]:
    step = max(1, CHUNK // max(1, int(np.prod(array.shape[1:]))))
    for first in range(0, len(array), step):
        yield slice(first, min(first + step, len(array)))


def _write_description(file: Path, noise: Noise) -> None:
    about = {**noise.describe(), "sha256": sha256_array(noise.values)}
    write_json(file.with_suffix(".json"), json.loads(json.dumps(about)), private=True)
