"""The parts of a report, ready for its template."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from unlearnable.report import charts
from unlearnable.report.charts import Curve, Mark
from unlearnable.report.material import Material, Samples, kind_of
from unlearnable.report.pictures import (
    SHADES,
    amplified,
    data_uri,
    finite_ends,
    heat_picture,
    window,
)
from unlearnable.report.svg import Axis
from unlearnable.report.table import interval
from unlearnable.report.words import described

FEW = 20  # classes of which a confusion matrix has a cell with a number each


def verdict(material: Material) -> dict[str, Any]:
    """The verdict, its bar, and what stands beside it."""
    given = material.audit["verdict"]
    bar = None
    if given["decided"]:
        mark = Mark("learnability", 0, given["learnability"], given["low"], given["high"])
        bar = charts.verdict_bar(mark)
    model, name = given["model"], given["countermeasure"]
    rows = [row for arm in ("protected", "clean") if (row := material.row(model, name, arm))]
    large = 2 if given["decided"] else 1  # what countermeasures undo is said as large as the rest
    return {
        **given,
        "bar": bar,
        "interval": interval(given),
        "rows": rows,
        "under": _said(name) if name else "",
        "headline": " ".join(given["words"][:large]),
        "further": given["words"][large:],
    }


def visible(material: Material) -> list[tuple[str, str, str]]:
    """How much can be seen of the noise: names, figures and units of what is known."""
    files = material.audit["files"]
    figures = (
        ("Largest change to a pixel", "largest_change", "d", "of 255"),
        ("PSNR, signal to noise", "psnr", ".1f", "dB"),
        ("SSIM, structural similarity", "ssim", ".3f", "of 1"),
    )
    return [
        (name, format(files[key], form), unit)
        for name, key, form, unit in figures
        if files[key] is not None
    ]


def comparison(material: Material) -> list[dict[str, Any]]:
    """For each model, learnability and accuracy under each countermeasure."""
    every = [_mark(row) for row in material.rows]
    axis = charts.axis_over(every)
    return [
        {
            "model": model,
            "scale": charts.scale(axis),
            "percent": charts.scale(Axis(), percent=True),
            "rows": [
                _compared(material, model, name, axis) for name in material.countermeasures(model)
            ],
        }
        for model in material.models
    ]


def legend(material: Material) -> list[tuple[str, str]]:
    """What each arm is trained on."""
    return [(arm, described(arm)) for arm in material.arms]


def learning(material: Material) -> list[dict[str, Any]]:
    """The curves of accuracy and of loss, for each model under each countermeasure."""
    return [
        _panel(material, model, name)
        for model in material.models
        for name in material.countermeasures(model)
        if material.of(model, name)
    ]


def confusions(material: Material) -> list[dict[str, Any]]:
    """The clean and the protected arm, without and with the countermeasure that undoes most."""
    given = material.audit["verdict"]
    model = given["model"] or material.models[0]
    tried = material.countermeasures(model)
    worst = given["countermeasure"] or tried[min(1, len(tried) - 1)]
    found = []
    for name in dict.fromkeys(("none", worst)):
        for trained in material.of(model, name):
            if trained.arm in ("clean", "protected"):
                counts = trained.confusion
                shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
                title = f"{trained.arm}, {_said(name)}, {model}"
                few = len(shares) <= FEW
                picture = None if few else charts.heat(title, shares)
                found.append({"title": title, "shares": shares.tolist(), "picture": picture})
    return found


def triptychs(samples: Samples) -> Iterator[dict[str, Any]]:
    """Each sample: clean, its noise, protected, and how much they differ."""
    for place, name in enumerate(samples.names):
        clean, protected = (window(images[place]) for images in (samples.clean, samples.protected))
        pictures = {
            "clean": clean,
            "noise × 10": amplified(clean, protected),
            "protected": protected,
        }
        yield {
            "name": name,
            "psnr": samples.psnr[place],
            "ssim": samples.ssim[place],
            "pictures": {title: data_uri(pixels) for title, pixels in pictures.items()},
        }


def spectrum(samples: Samples) -> dict[str, Any]:
    """The power of the noise by frequency, as a picture and the legend to it."""
    low, high = finite_ends(samples.spectrum)
    shades = ", ".join(f"rgb({r} {g} {b})" for r, g, b in SHADES.tolist())
    return {
        "picture": data_uri(heat_picture(samples.spectrum)),
        "low": low,
        "middle": (low + high) / 2,
        "high": high,
        "shades": shades,
    }


def _said(countermeasure: str) -> str:
    return "no countermeasure" if countermeasure == "none" else countermeasure


def _mark(row: dict[str, Any], what: str = "learnability") -> Mark:
    ends = (row.get("low"), row.get("high")) if what == "learnability" else (None, None)
    return Mark(row["arm"], kind_of(row["arm"]), row[what], *ends)


def _compared(material: Material, model: str, name: str, axis: Axis) -> dict[str, Any]:
    rows = [row for arm in material.arms if (row := material.row(model, name, arm))]
    accuracies = [_mark(row, "accuracy") for row in rows if row["arm"] in ("clean", "protected")]
    title = f"under {_said(name)}"
    return {
        "name": _said(name),
        "dots": charts.dots(f"Learnability {title}", [_mark(row) for row in rows], axis),
        "bars": charts.bars(f"Accuracy {title}", accuracies, material.audit["chance"]),
    }


def _panel(material: Material, model: str, name: str) -> dict[str, Any]:
    trained = material.of(model, name)
    accuracy = [Curve(t.arm, kind_of(t.arm), t.accuracy, t.runs, t.epoch) for t in trained]
    loss = [Curve(t.arm, kind_of(t.arm), t.loss) for t in trained]
    top = max(max(t.loss) for t in trained) or 1.0
    title = f"{model}, {_said(name)}"
    return {
        "model": model,
        "name": _said(name),
        "accuracy": charts.curves(f"Accuracy of {title}", accuracy, 1.0, percent=True),
        "loss": charts.curves(f"Training loss of {title}", loss, top),
    }
