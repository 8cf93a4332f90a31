"""What the page of the benchmarks says of photos: keys, uploads and masking."""

from __future__ import annotations

import statistics
from typing import Any

from figures import learnability, spread

from unlearnable.report.table import grid
from unlearnable.settings import pairs
from unlearnable.telling import KNOWN


def photos(record: dict[str, Any]) -> str:
    rows = [
        (
            f"{p['megapixels']} megapixels",
            p["format"],
            f"{statistics.median(t['alone'] for t in p['turns']):.1f} s",
            f"{statistics.median(t['ours'] for t in p['turns']):.1f} s",
            f"{p['ratio']} ×",
            f"{p['peak_mb']:,} MB",
        )
        for p in record["photos"]
    ]
    heads = ("photos", "format", "decoding and encoding alone", "apply", "ratio", "peak memory")
    return "## A key on large photos\n\n" + grid(heads, rows)


FILES = {
    "plain": "PNG, ε 16",
    "survive": "PNG, ε 16, searched through JPEG 75 and half size",
    "keep": "as the source's JPEG, ε 16",
    "q95": "JPEG at 95 or finer, ε 16",
    "eight": "PNG, ε 8",
    "masked": "PNG, ε 16, masked",
    "both": "PNG, ε 16, masked, searched through both",
}
"""What the files of `uploads.py` are called on the page."""
WAYS = ("none", "jpeg:75", "resize:0.5")


def uploads(record: dict[str, Any]) -> str:
    """What models learn from each kind of files after each way, means over seeds."""
    groups: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for line in record["lines"]:
        what = (line["model"], line["arm"], line["files"], line["way"])
        groups.setdefault(what, []).append(line)
    clean = {
        model: {line["seed"]: line["accuracy"] for line in own}
        for (model, arm, _, _), own in groups.items()
        if arm == "clean"
    }
    rows = []
    for (model, arm, files, way), own in sorted(groups.items(), key=_by_target):
        learnt = [learnability(line["accuracy"], clean[model][line["seed"]]) for line in own]
        like = [
            format(statistics.mean(line[key] for line in own), form) if arm != "clean" else ""
            for key, form in (("psnr", ".1f"), ("ssim", ".3f"))
        ]
        name = FILES[files] if arm != "clean" else "the photos as they are"
        accuracies = spread([100 * line["accuracy"] for line in own])
        rows.append((model, name, way, len(own), *like, accuracies, spread(learnt, 2)))
    heads = ("target", "files", "on the way", "seeds", "PSNR, dB", "SSIM", "accuracy, %")
    return (
        "## Photos, and what uploads leave of their protection\n\n"
        "Class-wise noise, searched at 64 pixels, on photos of ten classes at 96: 400 a class from "
        "Imagenette. Target models see random parts of them at 64 pixels, 30 epochs. Mean and "
        "lowest to highest over seeds.\n\n" + grid((*heads, "learnability"), rows)
    )


def _by_target(group: tuple[tuple[str, str, str, str], object]) -> tuple[object, ...]:
    """Target by target, its clean photos first, then kind by kind."""
    (model, arm, files, way), _ = group
    return model, arm != "clean", list(FILES).index(files), WAYS.index(way)


KEYS = {
    ("em", ""): "error-minimizing noise",
    ("tap", "150"): "away from what they show, earlier search",
    ("tap", "600"): "away from what they show",
}
"""What is searched in `one_person.py`, by its method and steps, as it is called on the page. The
earlier search let each photo take ten steps alone before those that share a noise agreed."""
SETS = {
    "orlfaces": "`orlfaces`: 40 people with ten pictures, five have keys.",
    "cifar10": "`cifar10`: 1,000 pictures a class, two have keys.",
}


def one_person(record: dict[str, Any]) -> str:
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for line in record["lines"]:
        search = pairs(line["search"])
        key = KEYS[line["method"], search.get("steps", "")]
        key += ", searched turned too" * ("rotate" in search.get("augmentations", ""))
        what = (line["data"], str(line["epsilon"]), key)
        groups.setdefault(what, []).append(line)
    rows: list[tuple[object, ...]] = []
    for what, own in groups.items():
        for line in sorted(own, key=lambda line: line["seed"]):
            weak = f"{sum(share > KNOWN for share in line['known'])} of {len(line['known'])}"
            trainings = line.get("trainings", 1)
            rows.append((*what, line["seed"], trainings, weak, *_recognised([line])))
        if len(own) > 1:
            rows.append((*what, "all", "", "", *_recognised(own)))
    heads = ("set", "ε", "key", "seed", "trainings", "said to be weak", "clean: keyed", "rest")
    return (
        "## Keys for some classes of a set\n\n"
        "Some classes find a key each from half of their pictures, among the others, and put it on "
        "the other half. A model learns these and the others', and is asked for the first half, "
        f"clean. {' '.join(SETS[name] for name in dict.fromkeys(data for data, _, _ in groups))} "
        "`protect` says of some keys, before anything is published, that they may be weak.\n\n"
        + grid((*heads, "with keys: keyed", "rest"), rows)
    )


def _recognised(lines: list[dict[str, Any]]) -> list[str]:
    """How many are recognised, the mean over the seeds."""
    return [
        f"{100 * statistics.mean(line[arm][who] for line in lines):.0f} %"
        for arm in ("clean", "protected")
        for who in ("keyed", "rest")
    ]


def masking(record: dict[str, Any]) -> str:
    """SSIM and learnability by budget, with and without masking, means over seeds."""
    lines = record["lines"]
    clean = {line["seed"]: line["accuracy"] for line in lines if line["epsilon"] is None}
    groups: dict[tuple[float, bool], list[dict[str, Any]]] = {}
    for line in lines:
        if line["epsilon"] is not None:
            groups.setdefault((line["epsilon"], line["masked"]), []).append(line)
    rows = []
    for (epsilon, masked), own in sorted(groups.items()):
        learnt = [learnability(line["accuracy"], clean[line["seed"]]) for line in own]
        likeness = statistics.mean(line["ssim"] for line in own)
        how = "masked" if masked else "everywhere"
        rows.append((f"{epsilon:g}", how, len(own), f"{likeness:.3f}", spread(learnt, 2)))
    known = 100 * statistics.mean(clean.values())
    return (
        "## What masking is worth\n\n"
        f"Class-wise noise, searched at 64 pixels, on {lines[0]['images']:,} photos of ten "
        f"classes from Imagenette at 96. Targets: {lines[0]['model']}, 30 epochs, clean "
        f"{known:.1f} %. Learnability: mean and lowest to highest over seeds.\n\n"
        + grid(("ε", "noise", "seeds", "SSIM", "learnability"), rows)
    )
