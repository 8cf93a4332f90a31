"""Noise of other people's releases."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch

from unlearnable.errors import DamagedError
from unlearnable.noise import Budget, Form, Noise, seal

# what torch raises at files that are no tensors, by how they are broken
UNREADABLE = (
    *(pickle.UnpicklingError, EOFError, OSError),
    *(RuntimeError, AssertionError, LookupError, ValueError),
)


def import_released(file: Path | str, *, form: Form, epsilon: float = 8) -> Noise:
    """A `perturbation.pt` of the authors' release, as noise of this library.

    Such a file holds one tensor of δ in units of [0, 1]: (N, 3, H, W) sample-wise, in the order of
    the training set, or (K, 3, H, W) class-wise. Nothing but tensors is read from it, negative
    noise counts (the release drops it when it builds its data set), and values are rounded to the
    nearest level where the release truncates.

    Args:
        file: the `.pt` file.
        form: what its rows are; the file does not say.
        epsilon: the budget that it was made under, in levels.

    Raises:
        DamagedError: the file is missing, holds something else than one tensor, or exceeds the
            budget.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DamagedError(f"{file} is missing.") from error
    except UNREADABLE as error:
        raise DamagedError(f"{file} is not a file of plain tensors.") from error
    if not isinstance(content, torch.Tensor) or content.ndim != 4:
        raise DamagedError(f"{file} does not hold one tensor of (rows, channels, height, width).")
    levels = content.detach().float().numpy() * 255
    budget = Budget("linf", epsilon)
    largest = float(abs(levels).max(initial=0))
    if not largest <= epsilon + 0.5:  # true of NaN as well
        raise DamagedError(
            f"{file} holds changes of up to {largest:.1f} levels, more than epsilon {epsilon}: "
            "say which budget it was made under."
        )
    return seal(levels, form=form, budget=budget, made_by={"method": "released"})
