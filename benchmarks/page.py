"""The page of the benchmarks, `docs/benchmarks.md`, and its plot, from their records."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

import of_photos
from figures import learnability, spread
from matplotlib import pyplot as plt

from unlearnable.report.table import grid

ROOT = Path(__file__).parent.parent
RECORDS = ROOT / "results" / "benchmarks"
PAGE, PLOT = ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "benchmarks.svg"

IN_LINES = ("ideas", "surrogates", "schedules", "uploads", "masking", "one_person")
"""Records that grow by lines."""
SMALL = 8192  # images, under which the search takes smaller batches and moves the images
ROUNDS = {
    10_000: "the fewest that it was seen to need",
    50_000: "as many as `preset=paper`, which is the same search in bfloat16, took",
}
"""How it is known what the published loop needs, by the number of images."""
HEAD = """# Benchmarks

Made by `python benchmarks DATA --test TEST` from the records in
[results/benchmarks](../results/benchmarks), which hold settings, seeds, hardware, versions and the
commit. Speeds are ratios to a plain baseline timed by turns in the same run, the median of the
repeats; what no clock can blur, signed steps and trained images, is counted as well.
"""


def write() -> None:
    """Write the page and its plot."""
    PAGE.write_text(text(records()))
    plot(records())


def records() -> dict[str, dict[str, Any]]:
    """The records there are, by name; of those in lines, all lines."""
    found = {file.stem: json.loads(file.read_text()) for file in sorted(RECORDS.glob("*.json"))}
    for name in IN_LINES:
        file = RECORDS / f"{name}.jsonl"
        if file.exists():
            lines = [json.loads(line) for line in file.read_text().splitlines()]
            found[name] = {"lines": lines, **lines[0]}
    return found


def text(found: dict[str, dict[str, Any]]) -> str:
    """The page."""
    parts = [HEAD]
    for name, section in SECTIONS.items():
        if name in found:
            parts.append(f"{section(found[name])}\n{circumstances(found[name])}\n")
    if "images" in found:
        parts.append(
            "![Seconds, signed steps and trained images by number of images](benchmarks.svg)\n"
        )
    return "\n".join(parts)


def search_time(record: dict[str, Any]) -> str:
    rows = [
        (
            f"{r['ours_seconds']} s",
            f"{r['class_wise_seconds']} s",
            f"{r['textbook_round_seconds']} s",
            f"{r['ratio']} ×",
        )
        for r in record["repeats"]
    ]
    facts = record["repeats"][0]["ours"]
    return (
        f"## Time to λ, {_device(record)}\n\n"
        f"{record['images']:,} images, {record['settings']['surrogate']}. Ours took "
        f"{len(facts['errors'])} rounds, {facts['image_steps']} signed steps an image, and trained "
        f"its surrogate {facts['trained']} times on an image. The published loop takes "
        f"{record['textbook']['T']} steps on every image in each of its rounds, of which "
        f"{record['textbook']['rounds']} are reckoned: {ROUNDS[record['images']]}.\n\n"
        + grid(("ours", "ours, class-wise", "published loop, one round", "ratio"), rows)
        + f"\nMedian ratio: {record['median_ratio']} ×.\n"
    )


def search_rate(record: dict[str, Any]) -> str:
    rows = [(r["ours"], r["textbook"], r["bare"], f"{r['ratio']} ×") for r in record["repeats"]]
    return (
        f"## Input gradients a second, {record['surrogate']}, {_device(record)}\n\n"
        + grid(("ours", "published loop", "bare float32 gradient", "ratio"), rows)
        + f"\nMedian ratio: {record['median_ratio']} ×. Ours does {_flops(record['gflops'])} "
        f"({record['gflop_an_image']} GFLOP an image), a product of large matrices "
        f"{_flops(record['matrix_gflops'])}. On a GPU the first repeat warms it up.\n"
    )


def _flops(giga: float) -> str:
    return f"{giga / 1000:.0f} TFLOP/s" if giga > 10_000 else f"{giga:.0f} GFLOP/s"


def training(record: dict[str, Any]) -> str:
    rows = [
        (f"{e['ours']:.1f} s", f"{e['plain']:.1f} s", f"{e['ratio']:.2f} ×")
        for e in record["one_epoch"]
    ]
    whole = record["whole"]
    return (
        f"## Training, {record['settings']['model']}, {record['images']:,} images\n\n"
        + grid(("ours, an epoch", "plain DataLoader loop, an epoch", "ratio"), rows)
        + f"\nMedian ratio: {record['median_ratio']:.2f} ×. After {record['settings']['epochs']} "
        f"epochs: {100 * whole['ours']['accuracy']:.1f} % against "
        f"{100 * whole['plain']['accuracy']:.1f} % clean test accuracy (one seed each).\n"
    )


def ideas(record: dict[str, Any]) -> str:
    """What each idea leaves of clean accuracy, by target model and countermeasure."""
    lines = record["lines"]
    columns = list(dict.fromkeys((line["model"], line["countermeasure"]) for line in lines))
    rows = []
    for idea in dict.fromkeys(line["idea"] for line in lines):
        own = [line for line in lines if line["idea"] == idea]
        each = [
            [100 * line["accuracy"] for line in own if (line["model"], line["countermeasure"]) == c]
            for c in columns
        ]
        seeds = len({line["seed"] for line in own})
        steps = statistics.mean(line["image_steps"] for line in own)
        rows.append((idea, seeds, f"{steps:.1f}", *(spread(values) for values in each)))
    heads = ("idea", "seeds", "signed steps", *(f"{model}, {name}" for model, name in columns))
    return (
        f"## Ideas for the search, {record['images']:,} images, surrogate {record['surrogate']}\n\n"
        "Clean test accuracy in % of target models trained on the noise, mean and lowest to "
        f"highest over seeds; {record['epochs']} epochs, batches of {record['batch_size']}. "
        "Lower is better; `default` is what the search does.\n\n" + grid(heads, rows)
    )


def schedules(record: dict[str, Any]) -> str:
    """Accuracy, learnability and time of each arm under each schedule."""
    lines = record["lines"]
    clean = {line["schedule"]: line["accuracy"] for line in lines if line["arm"] == "clean"}
    rows = [
        (
            line["arm"],
            line["schedule"],
            f"{100 * line['accuracy']:.1f} %",
            f"{learnability(line['accuracy'], clean[line['schedule']]):.2f}",
            f"{line['seconds']} s" if line["seconds"] else "–",
        )
        for line in lines
    ]
    return (
        f"## Schedules, {record['model']}, {record['images']:,} images\n\n"
        "Each target model's clean test accuracy, the learnability of its images, and its time "
        "where it had the GPU to itself; one seed. `fast` with something behind it was tried on "
        "the way, at twice the rate and with large crops where it says no other.\n\n"
        + grid(("trained on", "schedule", "accuracy", "learnability", "training"), rows)
    )


def audit(record: dict[str, Any]) -> str:
    slowest = sorted(record["each"].items(), key=lambda item: -item[1])
    rows = [(name, f"{seconds} s") for name, seconds in slowest]
    return (
        f"## An audit of {record['cells']} cells, {record['images']:,} images, "
        f"{record['settings']['epochs']} epochs\n\n"
        f"It took {record['seconds']} s, {record['overhead']} × the sum of its trainings. As plain "
        f"DataLoader trainings without countermeasures, of {record['plain_training']} s each, the "
        f"cells would take {record['ratio']} × as long.\n\n" + grid(("cell", "training"), rows)
    )


def shapes(record: dict[str, Any]) -> str:
    sizes = sorted({r["size"] for r in record["rates"]})
    batches = sorted({r["batch"] for r in record["rates"]})
    rate = {(r["size"], r["batch"]): r["rate"] for r in record["rates"]}
    rows = [(f"{size} px", *(rate[size, batch] for batch in batches)) for size in sizes]
    return f"## Input gradients a second by image size and batch, {record['surrogate']}\n\n" + grid(
        ("size", *(f"batch {batch}" for batch in batches)), rows
    )


def images(record: dict[str, Any]) -> str:
    rows = [
        (f"{s['images']:,}", f"{s['seconds']} s", f"{s['ms_per_image']} ms",
         s["image_steps"], s["trained"], len(s["errors"]), f"{s['anonymous_mb']} MB")
        for s in record["searches"]
    ]  # fmt: skip
    heads = ("images", "to λ", "per image", "signed steps", "trained", "rounds", "memory")
    few = " in small sets" * all(s["images"] < SMALL for s in record["searches"])
    title = f"## By number of images{few}, {record['settings']['surrogate']}\n\n"
    return title + grid(heads, rows)


SECTIONS = {
    "search-time": search_time,
    "search-time-gpu": search_time,
    "search-rate": search_rate,
    "search-rate-gpu": search_rate,
    "schedules": schedules,
    "training": training,
    "audit": audit,
    "images": images,
    "images-few": images,
    "shapes": shapes,
    "photos": of_photos.photos,
    "uploads": of_photos.uploads,
    "masking": of_photos.masking,
    "one_person": of_photos.one_person,
    "ideas": ideas,
    "surrogates": ideas,
}


def _device(record: dict[str, Any]) -> str:
    return "on a CPU" if record["hardware"]["device"] == "cpu" else "on a GPU"


def circumstances(record: dict[str, Any]) -> str:
    machine, seed = record["hardware"], record.get("settings", {}).get("seed")
    parts = record.get("lines", [record])
    names = ", ".join(dict.fromkeys(part["hardware"]["name"] for part in parts))
    commits = ", ".join(dict.fromkeys(part["commit"] for part in parts))
    threads = f"{machine['threads']} thread{'s' * (machine['threads'] > 1)}"
    seeded = "" if seed is None else f", seed {seed}"
    return (
        f"*{names}, {threads}, {machine['precision']}, torch {machine['torch']}{seeded}, "
        f"commit{'s' * (',' in commits)} {commits}*"
    )


def plot(found: dict[str, dict[str, Any]]) -> None:
    """What an image costs, by how many there are."""
    if "images" not in found:
        return
    few = found.get("images-few", {"searches": []})
    searches = few["searches"] + found["images"]["searches"]
    counts = [s["images"] for s in searches]
    figure, (work, clock) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    work.plot(counts, [s["image_steps"] for s in searches], "o-", label="signed steps")
    work.plot(counts, [s["trained"] for s in searches], "s--", label="times trained on")
    work.set(title="work an image", xlabel="images", xscale="log", ylim=(0, None))
    work.legend()
    clock.plot(counts, [s["ms_per_image"] for s in searches], "o-")
    clock.set(title="milliseconds an image", xlabel="images", xscale="log", ylim=(0, None))
    with plt.rc_context({"svg.hashsalt": "benchmarks"}):
        figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    write()
