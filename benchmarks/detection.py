"""How well `detect()` tells protected from clean sets: set on CIFAR-10, judged on the others.

    python benchmarks/detection.py SETS --out results/benchmarks/detection.json

SETS is a folder that holds cifar10, tinyimagenet100, imagenette96 and orlfaces, unpacked; shapes
are drawn. Each set is dealt into draws, no image in two of them; some stay clean, the others are
each given a noise of their own. A score is one line of a file beside OUT, of the same name and
`.jsonl`, and one that is there is not measured again, so that a record grows over several runs, or
in two at once of different `--sets`. OUT is the summary of all lines.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import common
import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.data.shapes import shapes
from unlearnable.data.sources import open_images
from unlearnable.detecting import CLEAN, POISONED, detect, verdict_of
from unlearnable.methods import Method
from unlearnable.methods.em import ErrorMinimizing
from unlearnable.methods.error_maximizing import ErrorMaximizing
from unlearnable.methods.random import RandomNoise
from unlearnable.noise import Budget, seal
from unlearnable.runtime import Run
from unlearnable.settings import as_dict
from unlearnable.storage import write_json

SURROGATE: dict[str, Any] = {"surrogate": "resnet18:8", "threads": 1, "sweep_batch": 128}
METHODS: dict[str, Method] = {
    "em": ErrorMinimizing(**SURROGATE),
    "em class-wise": ErrorMinimizing(form="class-wise", **SURROGATE),
    "random class-wise": RandomNoise(form="class-wise"),
    "error-maximizing": ErrorMaximizing(epochs=20, rounds=3, **SURROGATE),
}
RESAMPLES = 2000
Z = 1.96  # a 95 % interval


@dataclass(frozen=True)
class Deal:
    """How a set is dealt: images of so many classes to a draw, and how many draws of each kind.

    A draw takes the next of `per_class` images a class.
    """

    clean: int
    poisoned: int
    per_class: tuple[int, ...] = (100,)
    classes: int = 10
    size: int | None = None


SETTING = "cifar10"
DEALS = {
    "cifar10": Deal(18, 16, per_class=(100, 50, 20)),
    "tinyimagenet100": Deal(26, 24),
    "imagenette96": Deal(6, 4, per_class=(40,)),
    "orlfaces": Deal(2, 2, per_class=(10,), size=32),
    "shapes": Deal(28, 32, per_class=(50,)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder of the sets")
    parser.add_argument("--sets", nargs="+", choices=DEALS, default=list(DEALS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a JSON file for the summary")
    options = parser.parse_args()
    lines = options.out.with_suffix(".jsonl")
    for name in options.sets:
        for number, images in enumerate(draws(name, options.data, options.seed)):
            about = {"set": name, "draw": number, "method": method_of(name, number)}
            if not common.there(about, lines):
                common.append({**about, **scored(images, about)}, lines)
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    record = {
        "seed": options.seed,
        "draws": {name: asdict(deal) for name, deal in DEALS.items()},
        "methods": {name: as_dict(method) for name, method in METHODS.items()},
        "hardware": Run.start(precision="float32").hardware(),
        "commit": common.commit(),
        **summary(found),
    }
    write_json(options.out, record)


def method_of(name: str, number: int) -> str:
    """What is done to a draw: the clean ones come first, then the methods by turns."""
    place = number - DEALS[name].clean
    return "clean" if place < 0 else list(METHODS)[place % len(METHODS)]


def draws(name: str, data: Path, seed: int) -> Iterator[ImageSet]:
    """The draws of a set, no image in two of them."""
    deal = DEALS[name]
    count = deal.clean + deal.poisoned
    if name == "shapes":
        for number in range(count):
            yield shapes(deal.classes * deal.per_class[0], seed=1000 * (seed + 1) + number)
        return
    images = open_images(data / name, size=deal.size)
    rng = np.random.default_rng(seed)
    groups = rng.permutation(len(images.classes)).reshape(-1, deal.classes)
    rows = [rng.permutation(np.flatnonzero(images.labels == k)) for k in range(len(images.classes))]
    taken = [0] * len(groups)
    for number in range(count):
        which, each = number % len(groups), deal.per_class[number % len(deal.per_class)]
        chosen = slice(taken[which], taken[which] + each)
        taken[which] += each
        yield of_classes(images, groups[which], [rows[k][chosen] for k in groups[which]])


def of_classes(
    images: ImageSet, group: NDArray[np.int64], rows: Sequence[NDArray[np.int64]]
) -> ImageSet:
    """Some rows of some classes, labelled from 0."""
    labels = np.repeat(np.arange(len(group)), [len(part) for part in rows])
    names = tuple(images.classes[k] for k in group)
    return replace(images.take(np.concatenate(rows)), labels=labels, classes=names)


def scored(images: ImageSet, about: dict[str, Any]) -> dict[str, Any]:
    """The score of a draw, with the noise that it is to have."""
    started = time.perf_counter()
    facts: dict[str, Any] = {}
    if about["method"] != "clean":
        images, facts = poisoned(images, METHODS[about["method"]], seed=about["draw"])
    made = time.perf_counter()
    found = detect(images)
    return {
        "score": found.score,
        "evidence": {key: round(value, 4) for key, value in found.evidence.items()},
        "errors": facts.get("errors"),
        "noise_seconds": round(made - started, 1),
        "seconds": round(found.seconds, 1),
    }


def poisoned(images: ImageSet, method: Method, seed: int) -> tuple[ImageSet, dict[str, Any]]:
    """The images with a noise of their own, and what its search remembers."""
    levels, _, facts = common.searched(method, images, Run.start(seed=seed))
    noise = seal(levels, form=method.form, budget=Budget())
    return common.published(images, noise), facts


def summary(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the lines say: of the set that thresholds were set on, and of the others."""
    setting = [line for line in lines if line["set"] == SETTING]
    judged = [line for line in lines if line["set"] != SETTING]
    clean = [line for line in judged if line["method"] == "clean"]
    noisy = [line for line in judged if line["method"] != "clean"]
    return {
        "thresholds": {"clean": CLEAN, "poisoned": POISONED, "set_on": SETTING},
        "set_on": {**figures(setting), **extremes(setting)},
        "judged": figures(judged),
        "by_set": {
            name: {**figures(part), **extremes(part)}
            for name in dict.fromkeys(line["set"] for line in judged)
            if (part := [line for line in judged if line["set"] == name])
        },
        "by_method": {
            name: {**figures(clean + part), **extremes(part)}
            for name in METHODS
            if (part := [line for line in noisy if line["method"] == name])
        },
        "seconds": {
            name: {"noise": median(part, "noise_seconds"), "detect": median(part, "seconds")}
            for name in ("clean", *METHODS)
            if (part := [line for line in lines if line["method"] == name])
        },
    }


def median(lines: Sequence[dict[str, Any]], key: str) -> float:
    return round(statistics.median(line[key] for line in lines), 1)


def figures(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """AUC, verdicts, and how many clean sets were called poisoned; needs draws of both kinds."""
    clean = [line for line in lines if line["method"] == "clean"]
    noisy = [line for line in lines if line["method"] != "clean"]
    if not (clean and noisy):
        return {"clean": len(clean), "poisoned": len(noisy)}
    verdicts = [
        Counter(verdict_of(line["score"], line["evidence"]) for line in part)
        for part in (clean, noisy)
    ]
    false = verdicts[0]["poisoned"]
    low, high = wilson(false, len(clean))
    pair = [np.array([line["score"] for line in part]) for part in (clean, noisy)]
    return {
        "clean": len(clean),
        "poisoned": len(noisy),
        "auc": round(auc(*pair), 4),
        "auc_interval": bootstrap(*pair),
        "false_positives": false,
        "false_positive_rate": round(false / len(clean), 4),
        "false_positive_interval": [round(low, 4), round(high, 4)],
        "found": verdicts[1]["poisoned"],
        "missed": verdicts[1]["clean"],
        "cannot_tell": {
            "clean": verdicts[0]["cannot tell"],
            "poisoned": verdicts[1]["cannot tell"],
        },
    }


def extremes(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The highest clean score and the lowest of a set with noise."""
    clean = [line["score"] for line in lines if line["method"] == "clean"]
    noisy = [line["score"] for line in lines if line["method"] != "clean"]
    return {
        "highest_clean": round(max(clean), 4) if clean else None,
        "lowest_poisoned": round(min(noisy), 4) if noisy else None,
    }


def auc(clean: NDArray[np.float64], noisy: NDArray[np.float64]) -> float:
    """The chance that a set with noise scores higher than a clean one; a tie counts half."""
    above = noisy[:, None] > clean[None]
    equal = noisy[:, None] == clean[None]
    return float(np.mean(above + equal / 2))


def bootstrap(clean: NDArray[np.float64], noisy: NDArray[np.float64]) -> list[float]:
    """A 95 % interval of the AUC over draws of both kinds."""
    rng = np.random.default_rng(0)
    drawn = [
        auc(rng.choice(clean, len(clean)), rng.choice(noisy, len(noisy))) for _ in range(RESAMPLES)
    ]
    return [round(float(value), 4) for value in np.percentile(drawn, (2.5, 97.5))]


def wilson(hits: int, count: int) -> tuple[float, float]:
    """A 95 % interval of a rate (Wilson, 1927)."""
    rate, extra = hits / count, Z**2 / count
    middle = (rate + extra / 2) / (1 + extra)
    half = Z * math.sqrt(rate * (1 - rate) / count + extra / count / 4) / (1 + extra)
    return max(0.0, middle - half), min(1.0, middle + half)


if __name__ == "__main__":
    main()
