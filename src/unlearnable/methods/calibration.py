"""A short calibration: the threads and the batch of images that suit a search on this machine.

What it chooses becomes part of the method's settings, so that a resumed run keeps its bytes. It
leaves the usual choice only for one that is clearly faster: a search repeated with the same seed on
a machine that is busy with other things should not come out otherwise. On an accelerator there is
nothing to choose: a batch of `GPU_PIXELS` was as fast as any.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unlearnable.data.imageset import ImageSet
from unlearnable.freezing import frozen
from unlearnable.methods.surrogate import SURROGATE
from unlearnable.models import make_model
from unlearnable.pgd import steepest
from unlearnable.runtime import Run

if TYPE_CHECKING:
    from unlearnable.methods import Method

USUAL_BATCH = 128
"""Images to an input gradient, where nothing was chosen or measured."""
GPU_PIXELS = 2048 * 32 * 32
"""Pixels to an input gradient on an accelerator, where each image has its own noise."""
CHOICES = ("threads", "sweep_batch")
"""The settings that it chooses where they are left at None."""
BATCHES = (64, 256)
"""What is tried beside the usual batch."""
MARGIN = 1.25  # how much faster another choice must be than the usual one
TAKES = 2  # of each measurement, of which the fastest counts


def usual_batch(run: Run, size: tuple[int, int]) -> int:
    """Images of a size to an input gradient on this device, if each has its own noise."""
    return max(16, GPU_PIXELS // (size[0] * size[1])) if run.on_gpu else USUAL_BATCH


def calibrate(
    method: Method, images: ImageSet, run: Run, share: float = 1
) -> tuple[Method, float | None]:
    """Fill in what was left to be measured, and say about how many seconds the search will take.

    Args:
        method: of the search.
        images: what it sees.
        run: where it runs.
        share: of the images that gets noise, 0 to 1.

    Raises:
        SettingError: an unknown surrogate, or one that cannot take images of that size.
    """
    passes = method.passes(len(images), share)
    if not passes:
        return method, None
    rate = _stopwatch(method, images, run)
    fixed: dict[str, Any] = {name: getattr(method, name, None) for name in CHOICES}
    threads = fixed["threads"] or run.threads
    batch = fixed["sweep_batch"] or usual_batch(run, images.size)
    best = rate(threads, batch)
    if run.on_gpu:
        return method, passes / best
    if fixed["threads"] is None:
        rates = {threads: best} | {t: rate(t, batch) for t in _fewer(threads)}
        threads, best = _chosen(rates, threads)
    if fixed["sweep_batch"] is None:
        others = [b for b in BATCHES if b <= len(images)]
        batch, best = _chosen({batch: best} | {b: rate(threads, b) for b in others}, batch)
    found = {"threads": threads, "sweep_batch": batch}
    settings: Any = method  # a dataclass, which its protocol cannot say
    known = {name: value for name, value in found.items() if hasattr(method, name)}
    return replace(settings, **known), passes / best


def as_before(method: Method, settings: Mapping[str, Any]) -> Method:
    """The method with what an earlier calibration chose, read from the settings it left."""
    chosen = {
        name: settings[name]
        for name in CHOICES
        if getattr(method, name, 0) is None and name in settings
    }
    dataclass: Any = method
    return replace(dataclass, **chosen)


def _stopwatch(method: Method, images: ImageSet, run: Run) -> Callable[[int, int], float]:
    """A function from threads and a batch to input gradients a second."""
    name = getattr(method, "surrogate", SURROGATE)
    model = make_model(name, len(images.classes), min(images.size), channels=images.channels)
    still = frozen(model.to(run.device), run.dtype)

    def objective(x: Tensor, rows: Tensor) -> Tensor:
        return still(x).float().logsumexp(1)

    def rate(threads: int, batch: int) -> float:
        x = run.upload(images.images[:batch]).to(run.dtype)
        rows = torch.arange(len(x), device=run.device)
        seconds = []
        with run.on_threads(threads):
            for _ in range(1 + TAKES):  # the first warms up
                started = time.perf_counter()
                steepest(objective, x, rows)[1].sum().item()  # the item waits for the device
                seconds.append(time.perf_counter() - started)
        return len(x) / min(seconds[1:])

    return rate


def _fewer(threads: int) -> Iterable[int]:
    """Half as many threads, a quarter, and so on to one."""
    while threads > 1:
        threads //= 2
        yield threads


def _chosen(rates: dict[int, float], usual: int) -> tuple[int, float]:
    """The fastest choice and its rate, if it beats the usual one by the margin."""
    fastest = max(rates, key=rates.__getitem__)
    chosen = fastest if rates[fastest] > MARGIN * rates[usual] else usual
    return chosen, rates[chosen]
