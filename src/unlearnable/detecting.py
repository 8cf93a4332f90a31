"""detect(): does a labelled set of images carry noise that is learnt instead of them?

Linear networks read the labels of the suspect images from their finest detail, each image by a
network that was not fitted on it, and read them again after JPEG. What is easy by nature stays
easy; what noise gave away is gone. The score is the difference.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unlearnable import reading
from unlearnable.countermeasures.gray import Gray
from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import DATA_DIR, Source, open_images
from unlearnable.pairing import paired
from unlearnable.runtime import Run, Tell, silent
from unlearnable.storage import finite

Verdict = Literal["poisoned", "clean", "cannot tell"]

CLEAN, POISONED = 0.016, 0.031
"""Up to the first a score is clean, from the second on poisoned: a quarter and half of the way from
the highest score of clean draws of CIFAR-10 (0.001) to the lowest of draws with noise (0.061). A
later search, on 20 images a class, came down to 0.031."""
EASY, CERTAIN = 0.9, 0.5
"""Where so many labels are read from pixels after JPEG, images of a class are alike, maybe down to
their detail, as pictures of one face are: such a set is poisoned from the second score on."""
FEWEST = 10  # images a class
FEWEST_IN_ALL = 100
QUALITY = 10  # of the JPEG
BIAS = -0.5
VIEWS = (reading.detail, reading.quiet_detail)


@dataclass(frozen=True, eq=False)
class Detection:
    """What `detect` found.

    Attributes:
        verdict: "poisoned", "clean" or "cannot tell".
        score: the share of the labels' variance that linear networks read in the fine detail of
            images that they were not fitted on, less the same after JPEG-10; about 0 in clean
            images, up to 1. Of two ways to look at the detail the smaller counts. Not a number
            if there are too few images.
        thresholds: up to the first the verdict is clean, from the second on poisoned; the second is
            higher where images of a class are alike.
        evidence: the figures behind it. `linear_…` are accuracies (mean recall) of those networks
            as the images are, after JPEG-10 and in greyscale, `share_…` the shares, `pixels_…`
            the accuracies on pixels, which after JPEG are natural ease; `hidden_…` held-out
            accuracies of a network with one hidden layer of 256; `early_…` what it knew of its
            training labels after three epochs, 0 to 1; `bias_test` the held-out accuracy of one
            that was trained on images half a range darker; `chance` is 1/K. With clean images also
            `separability`, the accuracy of linear networks on what was changed, and
            `largest_change` in levels.
        classes: names of the classes.
        per_class: mean of `per_image` over each class, (K,).
        names: of the images.
        per_image: how much more of its label a network that has not seen it reads in each image
            than after JPEG-10, (N,): about 0 without noise, 1 at most.
        words: what it means, and what it does not.
        seconds: what it took.
    """

    verdict: Verdict
    score: float
    thresholds: tuple[float, float]
    evidence: dict[str, float]
    classes: tuple[str, ...]
    per_class: NDArray[np.float64]
    names: tuple[str, ...]
    per_image: NDArray[np.float64]
    words: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON: scores by name, and none where there is no number."""
        by_class = zip(self.classes, map(_rounded, self.per_class), strict=True)
        by_image = zip(self.names, map(_rounded, self.per_image), strict=True)
        return {
            "verdict": self.verdict,
            "score": _rounded(self.score),
            "thresholds": list(self.thresholds),
            "evidence": self.evidence,
            "words": list(self.words),
            "per_class": dict(by_class),
            "per_image": dict(by_image),
            "seconds": round(self.seconds, 1),
        }


def detect(
    source: Source,
    *,
    clean: Source | None = None,
    size: int | None = None,
    seed: int = 0,
    device: str = "auto",
    data_dir: Path | str = DATA_DIR,
    download: bool = False,
    tell: Tell = silent,
) -> Detection:
    """Say whether labelled images carry noise that ties their fine detail to their labels.

    Args:
        source: what `open_images` takes; no manifest is needed, and none is looked at.
        clean: the images without the change, if there are; they add figures and do not decide.
        size: working size for images of mixed sizes: noise is found best at the size it was made
            for.
        seed: same seed, same result.
        device: "auto", "cpu", "cuda", …
        data_dir: where torchvision's data sets lie.
        download: fetch a torchvision data set that is not there.
        tell: hears of progress.

    Raises:
        UnlearnableError: something that the caller can put right.

    Example:
        >>> from unlearnable.data.shapes import shapes
        >>> detect(shapes(200)).verdict
        'clean'
    """
    started = time.monotonic()
    run = Run.start(device, seed=seed, precision="float32", tell=tell)
    suspect = open_images(source, size=size, data_dir=data_dir, download=download)
    evidence = {"chance": 1 / len(suspect.classes)}
    few = _too_few(suspect)
    score, fall = math.nan, np.full(len(suspect), math.nan)
    if not few:
        if clean is not None:
            originals = open_images(clean, size=size, data_dir=data_dir, download=download)
            evidence |= reading.differences(paired(suspect, originals), originals, run)
        score, fall, figures = _judged(suspect, run)
        evidence |= figures
    verdict = verdict_of(score, evidence)
    counts = np.bincount(suspect.labels, minlength=len(suspect.classes))
    sums = np.bincount(suspect.labels, weights=fall, minlength=len(suspect.classes))
    return Detection(
        verdict=verdict,
        score=score,
        thresholds=thresholds_of(evidence),
        evidence=evidence,
        classes=suspect.classes,
        per_class=sums / np.maximum(counts, 1),
        names=suspect.names,
        per_image=fall,
        words=few or _words(verdict, evidence),
        seconds=time.monotonic() - started,
    )


def _judged(suspect: ImageSet, run: Run) -> tuple[float, NDArray[np.float64], dict[str, float]]:
    """The score, the fall of each image, and the figures behind them."""
    compressed = reading.without_fine_detail(suspect, QUALITY, run)
    gray = Gray().prepare(suspect, run=run)

    def read(images: ImageSet, view: reading.View) -> reading.Reading:
        values = reading.seen(images, view, run)
        return reading.read(values, suspect.labels, len(suspect.classes), run)

    pairs = [(view, read(suspect, view), read(compressed, view)) for view in VIEWS]
    run.tell("detect", 2 / 5)
    view, before, after = min(pairs, key=lambda pair: pair[1].share - pair[2].share)
    without_colour = read(gray, view)
    run.tell("detect", 3 / 5)
    hidden, hidden_after = (reading.trained(part, run) for part in (suspect, compressed))
    run.tell("detect", 4 / 5)
    figures = {
        "pixels_as_is": read(suspect, reading.pixels).accuracy,
        "pixels_after_jpeg": read(compressed, reading.pixels).accuracy,
        "share_as_is": before.share,
        "share_after_jpeg": after.share,
        "share_after_gray": without_colour.share,
        "linear_as_is": before.accuracy,
        "linear_after_jpeg": after.accuracy,
        "linear_after_gray": without_colour.accuracy,
        "hidden_as_is": hidden["accuracy"],
        "hidden_after_jpeg": hidden_after["accuracy"],
        "early_as_is": hidden["early"],
        "early_after_jpeg": hidden_after["early"],
        "bias_test": reading.trained(suspect, run, shift=BIAS)["accuracy"],
    }
    run.tell("detect", 1.0)
    return before.share - after.share, before.given - after.given, figures


def _too_few(suspect: ImageSet) -> tuple[str, ...]:
    """Why nothing can be said of so few images, if so."""
    usual = int(np.median(np.bincount(suspect.labels, minlength=len(suspect.classes))))
    if len(suspect.classes) < 2:
        return ("There is one class only, so no label that could be read: nothing can be said.",)
    if usual >= FEWEST and len(suspect) >= FEWEST_IN_ALL:
        return ()
    return (
        f"There are too few images to tell: {len(suspect)} in all and about {usual} a class; "
        f"it takes {FEWEST_IN_ALL} in all and {FEWEST} a class.",
    )


def thresholds_of(evidence: dict[str, float]) -> tuple[float, float]:
    """Up to the first a score is clean, from the second on poisoned."""
    easy = evidence.get("pixels_after_jpeg", 0) >= EASY
    return CLEAN, CERTAIN if easy else POISONED


def verdict_of(score: float, evidence: dict[str, float]) -> Verdict:
    """What a score says; nothing if it is not a number."""
    low, high = thresholds_of(evidence)
    if score >= high:
        return "poisoned"
    return "clean" if score <= low else "cannot tell"


def _rounded(value: float) -> float | None:
    return finite(round(float(value), 4))


def _words(verdict: Verdict, evidence: dict[str, float]) -> tuple[str, ...]:
    words = [
        "From their finest detail a linear network tells the class of "
        f"{evidence['linear_as_is']:.0%} of images that it has not seen; after JPEG at quality "
        f"{QUALITY} of {evidence['linear_after_jpeg']:.0%}; guessing is right at "
        f"{evidence['chance']:.0%}.",
        {
            "poisoned": "Something hardly visible in these images gives their labels away, as "
            "noise does that a model learns instead of what they show.",
            "clean": "That is as in pictures nobody has changed: no noise of the kinds that were "
            "tried was found.",
            "cannot tell": "That is more than in most clean sets, and less than would be needed to "
            "be sure: it can be noise, or images of a class that are alike down to their detail.",
        }[verdict],
        "What every image of a class has in the same place, a mark or the scene before a fixed "
        "camera, looks like noise to this test. "
        "Noise in a few images of many, noise of low frequency, and images that were cropped, "
        "turned, resized or compressed after the noise was added can look clean.",
    ]
    if "separability" in evidence:
        words.append(
            f"Against the clean images the largest change is {evidence['largest_change']:.0f} of "
            f"255 levels, and from the change alone {evidence['separability']:.0%} of the labels "
            "are read."
        )
    return tuple(words)
