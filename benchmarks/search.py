"""How much faster our search is than `textbook.py`, interleaved in one run on the same images.

    python benchmarks/search.py time DATA --textbook-rounds 6 --out results/search.json
    python benchmarks/search.py rate DATA --surrogate resnet18 --out results/rate.json

`time` compares the seconds to λ: ours are measured whole; of the textbook loop one round is
measured each time, its sweep on a share of the images, and multiplied by the rounds that it needs
(`python benchmarks/search.py rounds DATA` runs it to the end and says how many). `rate` compares
input gradients a second. Both print every repeat, and the median of the ratios.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from dataclasses import asdict
from typing import Any

import common
import numpy as np
import torch
from textbook import M, T, Textbook
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import open_images
from unlearnable.freezing import frozen
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.methods.layout import Layout
from unlearnable.methods.search import Search
from unlearnable.models import make_model
from unlearnable.noise import Budget, Form
from unlearnable.runtime import Run

FORMS: tuple[Form, ...] = ("sample-wise", "class-wise")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["time", "rate", "rounds"])
    common.options_for(parser)
    parser.add_argument("--surrogate", default="resnet18:16")
    parser.add_argument("--share", type=float, default=0.1, help="part of the textbook's sweep")
    parser.add_argument("--textbook-rounds", type=int)
    options = parser.parse_args()
    images = open_images(options.data).first_of_each_class(options.per_class)
    run = Run.start(seed=options.seed)
    measure = {"time": time_to_lambda, "rate": rates, "rounds": rounds}[options.what]
    common.leave(options, run, images, measure(images, run, options))


def textbook_of(images: ImageSet, run: Run, surrogate: str) -> Textbook:
    x = torch.from_numpy(images.images).permute(0, 3, 1, 2).float().div(255).contiguous()
    return Textbook(x.to(run.device), torch.from_numpy(images.labels).to(run.device), surrogate)


def rounds(images: ImageSet, run: Run, options: argparse.Namespace) -> dict[str, Any]:
    """The textbook loop to λ."""
    started = time.perf_counter()
    errors = textbook_of(images, run, options.surrogate).search()
    return {"errors": errors, "rounds": len(errors), "seconds": time.perf_counter() - started}


def time_to_lambda(images: ImageSet, run: Run, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds to λ, ours and the textbook's by turns."""
    if not options.textbook_rounds:
        raise SystemExit("give --textbook-rounds; `search.py rounds DATA` says how many.")
    methods = {form: ErrorMinimizing(form=form, surrogate=options.surrogate) for form in FORMS}
    repeats = []
    for _ in range(options.repeats):
        book = textbook_of(images, run, options.surrogate)
        a_round, rate, bare = one_round(book, options.share)
        _, ours, facts = common.searched(methods["sample-wise"], images, run)
        _, class_wise, class_facts = common.searched(methods["class-wise"], images, run)
        whole = a_round * options.textbook_rounds
        repeats.append(
            {
                "ours_seconds": round(ours, 1),
                "ours": facts,
                "class_wise_seconds": round(class_wise, 1),
                "class_wise": class_facts,
                "textbook_round_seconds": round(a_round, 1),
                "textbook_rate_of_bare": round(rate / bare, 3),
                "ratio": round(whole / ours, 2),
            }
        )
        print(json.dumps(repeats[-1]), file=sys.stderr, flush=True)
    return {
        "methods": {form: asdict(method) for form, method in methods.items()},
        "textbook": {"M": M, "T": T, "rounds": options.textbook_rounds, "share": options.share},
        "repeats": repeats,
        "median_ratio": statistics.median(repeat["ratio"] for repeat in repeats),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def one_round(book: Textbook, share: float) -> tuple[float, float, float]:
    """Seconds of a whole textbook round, its sweep measured on a share; its rate, and the bare."""
    started = time.perf_counter()
    book.train()
    trained = time.perf_counter() - started
    rate, bare = book.rates(max(1, round(share * len(book.x))))
    started = time.perf_counter()
    book.error()
    judged = time.perf_counter() - started
    return trained + len(book.x) * T / rate + judged, rate, bare


def rates(images: ImageSet, run: Run, options: argparse.Namespace) -> dict[str, Any]:
    """Input gradients a second, ours and the textbook's by turns, on a share of the images."""
    count = min(len(images), max(128, round(options.share * len(images))))
    some = images.take(np.arange(count))
    model = make_model(options.surrogate, len(images.classes), min(images.size)).to(run.device)
    still = frozen(model, run.dtype)
    search = Search.begin(some, Layout("sample-wise"), Budget(), run)
    repeats = []
    for _ in range(options.repeats):
        theirs, bare = textbook_of(some, run, options.surrogate).rates(count)
        taken, started = search.image_steps, time.perf_counter()
        search.sweep(still, size=0.8, steps=T, batch_size=search.usual_batch)
        search.error(still)  # waits for the device
        ours = (search.image_steps - taken) / (time.perf_counter() - started)
        repeats.append(
            {
                "ours": round(ours, 1),
                "textbook": round(theirs, 1),
                "bare": round(bare, 1),
                "textbook_rate_of_bare": round(theirs / bare, 3),
                "ratio": round(ours / theirs, 2),
            }
        )
        print(json.dumps(repeats[-1]), file=sys.stderr, flush=True)
    work = flops(model.cpu(), search.batch(search.rows[:1]).cpu())
    return {
        "surrogate": options.surrogate,
        "unit": "input gradients a second",
        "repeats": repeats,
        "median_ratio": statistics.median(repeat["ratio"] for repeat in repeats),
        "gflop_an_image": round(work / 1e9, 3),
        "gflops": round(work * statistics.median(r["ours"] for r in repeats) / 1e9, 1),
        "matrix_gflops": round(matrix_rate(run) / 1e9, 1),
    }


def flops(model: nn.Module, x: Tensor) -> int:
    """Floating-point operations of one input gradient: the way back costs as much as the way on."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
    return 2 * counter.get_total_flops()


def matrix_rate(run: Run) -> float:
    """FLOP/s of a product of square matrices, the fastest of a few: the ceiling."""
    size, products = (8192, 10) if run.on_gpu else (4096, 1)  # a GPU is not waited for in between
    one = torch.randn(size, size, device=run.device).to(run.dtype)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(products):
            product = one @ one
        product[0, 0].item()
        seconds.append((time.perf_counter() - started) / products)
    return 2 * size**3 / min(seconds)


if __name__ == "__main__":
    main()
