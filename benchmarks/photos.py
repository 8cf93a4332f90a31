"""What a key costs on large photos: `apply` against decoding and encoding them alone.

    python benchmarks/photos.py --out results/benchmarks/photos.json

The photos are made up: soft shapes under a grain, as JPEG of quality 90. The two are timed by
turns, each in a process of its own, with the same pool of threads and the same encoder; the peak is
that of the whole process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from unlearnable.applying import apply
from unlearnable.data.adding import with_noise
from unlearnable.data.encoding import Writing
from unlearnable.data.files import decode
from unlearnable.data.gather import in_parallel
from unlearnable.noise import Budget, Noise, seal

SIDES = {12: (4000, 3000), 50: (8192, 6144)}  # megapixels: width and height
COUNTS = {12: 4, 50: 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        levels = np.random.default_rng(options.seed).uniform(-12, 12, (1, 3, 64, 64))
        seal(levels, form="class-wise", budget=Budget(), file=folder / "key.npy")
        rows = [measured(folder, size, kept, options) for size in SIDES for kept in ("png", "keep")]
        photos = [path for size in SIDES for path in made(folder / str(size), size, options.seed)]
    leave(options, photos, rows)


def leave(options: argparse.Namespace, photos: list[Path], rows: list[dict[str, Any]]) -> None:
    """Keep the record; this loads torch, which the measured processes do without."""
    import common

    from unlearnable.runtime import Run

    common.leave(options, Run.start(), photos, {"photos": rows})


def measured(folder: Path, size: int, kept: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and peaks at one size and in one format."""
    photos = made(folder / str(size), size, options.seed)
    turns = []
    for number in range(options.repeats):
        alone, _ = in_a_process(recoded, photos, kept, folder / "key.npy")
        ours, peak = in_a_process(applied, photos, kept, folder, f"{size}-{kept}-{number}")
        turns.append({"alone": round(alone, 2), "ours": round(ours, 2), "peak_mb": peak})
        print(json.dumps({"megapixels": size, "format": kept, **turns[-1]}), file=sys.stderr)
    return {
        "megapixels": size,
        "photos": len(photos),
        "format": kept,
        "turns": turns,
        "ratio": round(statistics.median(t["ours"] / t["alone"] for t in turns), 2),
        "peak_mb": max(t["peak_mb"] for t in turns),
    }


def made(folder: Path, size: int, seed: int) -> list[Path]:
    """Photos of so many megapixels, made once."""
    paths = [folder / f"{number}.jpg" for number in range(COUNTS[size])]
    folder.mkdir(exist_ok=True)
    for number, path in enumerate(paths):
        if not path.exists():
            rng = np.random.default_rng([seed, number])
            soft = Image.fromarray(rng.integers(20, 236, (12, 16, 3), dtype=np.uint8))
            pixels = np.asarray(soft.resize(SIDES[size], Image.Resampling.BICUBIC))
            grain = rng.integers(-5, 6, pixels.shape, dtype=np.int16)
            Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return paths


def in_a_process(work: Callable[..., float], *given: Any) -> tuple[float, int]:
    """Its seconds, and the peak memory in MB of a fresh process that did it."""
    with multiprocessing.get_context("spawn").Pool(1) as one:
        return one.apply(_watched, (work, given))


def _watched(work: Callable[..., float], given: tuple[Any, ...]) -> tuple[float, int]:
    seconds = work(*given)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def recoded(photos: list[Path], kept: str, key: Path) -> float:
    """Decode the photos and encode what is published of them: noise takes longer to compress."""
    writing, noise = Writing(kept), Noise.load(key)
    published = {path: with_noise(decode(path), noise, 0) for path in photos}

    def recode(path: Path) -> None:
        decode(path)
        writing.encoding(path).encode(published[path])

    started = time.perf_counter()
    in_parallel(recode, photos)
    return time.perf_counter() - started


def applied(photos: list[Path], kept: str, folder: Path, name: str) -> float:
    started = time.perf_counter()
    apply(folder / "key.npy", photos, folder / name, writing=Writing(kept))
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
