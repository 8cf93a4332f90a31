"""What a model learns from photos that were protected, as published and after an upload.

    python benchmarks/uploads.py TRAIN --test TEST --work FOLDER --out FILE

Class-wise noise is searched at 64 pixels and put on the photos at their own size. Each kind of
files is written once, and each training is kept, below FOLDER; a line of the record is a kind of
files after one way to the trainer.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common

from unlearnable.auditing import audit
from unlearnable.data.encoding import AS_PNG, Writing
from unlearnable.methods import make_method
from unlearnable.noise import Budget
from unlearnable.protecting import protect
from unlearnable.runtime import Run
from unlearnable.storage import read_json

UPLOADS = ("none", "jpeg:75", "resize:0.5")


@dataclass(frozen=True)
class Files:
    """A kind of protected files, and the ways to the trainer that are measured with it."""

    ways: tuple[str, ...] = ("none",)
    epsilon: int = 16
    masked: bool = False
    survive: str = ""
    writing: Writing = AS_PNG


SURVIVE = "jpeg:75 resize:0.5"
KINDS = {
    "plain": Files(ways=UPLOADS),
    "survive": Files(ways=UPLOADS, survive=SURVIVE),
    "keep": Files(writing=Writing("keep")),
    "q95": Files(writing=Writing("keep", 95)),
    "eight": Files(epsilon=8),
    "masked": Files(masked=True),
    "both": Files(ways=UPLOADS[:2], masked=True, survive=SURVIVE),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder of photos, a sub-folder a class")
    parser.add_argument("--test", required=True, help="test photos of the same classes")
    parser.add_argument("--work", type=Path, required=True, help="a folder for files and trainings")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--model", default="resnet18:16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a file for the lines")
    options = parser.parse_args()
    for kind in options.kinds:
        about = {"files": kind, "model": options.model, "seed": options.seed}
        for line in measured(kind, options):
            if not common.there({**about, **line}, options.out):
                where = {"hardware": Run.start().hardware(), "commit": common.commit()}
                common.append({**about, **line, **where}, options.out)


def measured(kind: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The lines of a kind of files; of the first, that of the photos as they are as well."""
    files, folder = KINDS[kind], options.work / kind
    if not folder.exists():
        protect(
            options.data,
            folder,
            method=make_method("em", {"form": "class-wise", "survive": files.survive}),
            budget=Budget("linf", files.epsilon, files.masked),
            size=64,
            seed=options.seed,
            writing=files.writing,
        )
    arms = ["protected"] if kind != "plain" else ["clean", "protected"]
    lines = []
    for arm in arms:
        found = audit(
            folder,
            clean=options.data,
            test=options.test,
            out=options.work / "run",
            arms=[arm],
            countermeasures=files.ways if arm == "protected" else (),
            models=[options.model],
            seeds=[options.seed],
            scale="photos",
        )
        manifest = read_json(folder.with_name(f"{kind}.private") / "manifest.json")
        like = {key: manifest[key] for key in ("psnr", "ssim", "survived")}
        lines += [
            {
                "arm": arm,
                "way": row["countermeasure"],
                "accuracy": round(row["accuracy"], 4),
                **(like if arm == "protected" else {}),
            }
            for row in found.rows
        ]
    return lines


if __name__ == "__main__":
    main()
