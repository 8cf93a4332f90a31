"""What a search costs as images grow in number and in size, and as its batches grow.

    python benchmarks/scaling.py images DATA --counts 1000,5000,25000,50000 --out results/n.json
    python benchmarks/scaling.py shapes DATA --out results/s.json

`images` searches to λ on the first images of each class, each time in a process of its own, and
gives the work (signed steps an image, and how often the surrogate trained on one), the seconds and
the peak of anonymous memory above that of the imports. `shapes` gives input gradients a second by
image size and by batch.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import threading
import time
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch

from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import open_images
from unlearnable.freezing import frozen
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.methods.layout import Layout
from unlearnable.methods.search import Search
from unlearnable.models import make_model
from unlearnable.runtime import Run

STEPS = 5  # signed steps to a measurement of `shapes`
IMAGES = 512  # images of a measurement of `shapes`


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["images", "shapes"])
    common.options_for(parser)
    parser.add_argument("--surrogate", default="resnet18:16")
    parser.add_argument("--counts", default="1000,5000,25000,50000", help="for `images`")
    parser.add_argument("--sizes", default="32,64,96", help="for `shapes`, in pixels")
    parser.add_argument("--batches", default="32,64,128,256,512", help="for `shapes`")
    options = parser.parse_args()
    run = Run.start(seed=options.seed)
    images = open_images(options.data)
    found = by_count(options) if options.what == "images" else by_shape(images, run, options)
    common.leave(options, run, images, found)


def by_count(options: argparse.Namespace) -> dict[str, Any]:
    """The search at every count, each in a fresh process."""
    searches = []
    for count in numbers(options.counts):
        with multiprocessing.get_context("spawn").Pool(1) as one:
            searches.append(one.apply(searched, (options, count)))
        print(json.dumps(searches[-1]), file=sys.stderr, flush=True)
    return {"searches": searches}


def searched(options: argparse.Namespace, count: int) -> dict[str, Any]:
    """One search on `count` images."""
    images = open_images(options.data)
    images = images.first_of_each_class(count // len(images.classes))
    run = Run.start(seed=options.seed)
    method = ErrorMinimizing(surrogate=options.surrogate)
    memory = Memory()
    _, seconds, facts = common.searched(method, images, run)
    return {
        "images": len(images),
        "seconds": round(seconds, 1),
        "ms_per_image": round(1000 * seconds / len(images), 2),
        "anonymous_mb": memory.peak(),
        **facts,
    }


class Memory:
    """The highest anonymous memory of this process from here on, looked at often."""

    def __init__(self) -> None:
        self.before = self.highest = anonymous_mb()
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self.highest = max(self.highest, anonymous_mb())
            time.sleep(0.05)

    def peak(self) -> int:
        """In MB, above what there was at first."""
        return self.highest - self.before


def anonymous_mb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) // 1024


def by_shape(images: ImageSet, run: Run, options: argparse.Namespace) -> dict[str, Any]:
    """Input gradients a second by image size and batch, the median of the repeats."""
    rates = []
    for size in numbers(options.sizes):
        some = images.take(np.arange(min(IMAGES, len(images))))
        pixels = torch.from_numpy(some.images).permute(0, 3, 1, 2).float()
        resized = torch.nn.functional.interpolate(pixels, size, mode="bilinear").byte()
        x = resized.contiguous(memory_format=torch.channels_last).to(run.device)
        model = make_model(options.surrogate, len(images.classes), size)
        still = frozen(model.to(run.device), run.dtype)
        for batch in numbers(options.batches):
            found = [rate(still, x, some, run, batch) for _ in range(options.repeats)]
            rates.append({"size": size, "batch": batch, "rate": round(float(np.median(found)), 1)})
            print(json.dumps(rates[-1]), file=sys.stderr, flush=True)
    return {"surrogate": options.surrogate, "unit": "input gradients a second", "rates": rates}


def rate(model: torch.nn.Module, x: torch.Tensor, images: ImageSet, run: Run, batch: int) -> float:
    rows = torch.arange(len(x), device=x.device)
    labels = torch.from_numpy(images.labels).to(x.device)
    delta = torch.zeros(x.shape, dtype=torch.float16, device=x.device)
    search = Search(
        images=x,
        labels=labels,
        delta=delta,
        index=rows,
        layout=Layout("sample-wise"),
        epsilon=8,
        run=run,
        rows=rows,
        protected=rows,
    )
    started = time.perf_counter()
    search.sweep(model, size=0.8, steps=STEPS, batch_size=batch)
    search.error(model)  # waits for the device
    return search.image_steps / (time.perf_counter() - started)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    main()
