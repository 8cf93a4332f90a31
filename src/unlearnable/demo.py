"""demo(): protect the built-in set and audit it, in one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unlearnable.auditing import Audit, audit
from unlearnable.data.shapes import shapes
from unlearnable.data.sources import open_images
from unlearnable.job import Protection
from unlearnable.protecting import protect
from unlearnable.report.pictures import triptych
from unlearnable.runtime import Tell, silent
from unlearnable.storage import write_bytes

COLUMNS = 10


@dataclass(frozen=True, eq=False)
class Demo:
    """What the demo made: a protection, its audit, and a picture of both."""

    protection: Protection
    audit: Audit
    picture: Path


def demo(
    out: Path | str,
    *,
    seed: int = 0,
    device: str = "auto",
    resume: bool = False,
    tell: Tell = silent,
    announce: Callable[[Any], None] = lambda plan: None,
) -> Demo:
    """Protect `shapes` with error-minimizing noise, and train models to see what they learn.

    Args:
        out: a folder; it gets `protected/`, `protected.private/`, `audit/` and `picture.png`.
        seed: of everything.
        device: "auto", "cpu", "cuda", …
        resume: go on with an interrupted demo.
        tell: hears of progress.
        announce: hears each plan before its work begins.
    """
    out = Path(out)
    protected = out / "protected"
    protection = protect(
        "shapes", protected, seed=seed, device=device, resume=resume, tell=tell, announce=announce
    )
    found = audit(
        protected,
        clean="shapes",
        test="shapes",
        out=out / "audit",
        countermeasures=("none",),
        seeds=(seed,),
        scale="demo",
        device=device,
        tell=tell,
        announce=announce,
    )
    clean, published = shapes(), open_images(protected)
    rows = [int(np.flatnonzero(clean.labels == label)[0]) for label in range(COLUMNS)]
    place = {name: row for row, name in enumerate(published.names)}
    pairs = [(clean.images[row], published.images[place[clean.names[row]]]) for row in rows]
    picture = out / "picture.png"
    write_bytes(picture, triptych([c for c, _ in pairs], [p for _, p in pairs]))
    return Demo(protection, found, picture)
