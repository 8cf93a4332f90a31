"""Every benchmark with one command, and the page of their results.

    python benchmarks DATA --test TEST

Each writes a record into `results/benchmarks/`; one that is there is not measured again. The page
`docs/benchmarks.md` and its plot are made from the records alone: `python benchmarks` makes them
anew.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import page

HERE = Path(__file__).parent
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "search-time": ("search.py", "time", "DATA", "--share", "0.05", "--textbook-rounds", "4"),
    "search-rate": ("search.py", "rate", "DATA", "--surrogate", "resnet18", "--share", "0.05"),
    "training": ("training.py", "DATA", "--test", "TEST"),
    "audit": ("audit.py", "DATA", "--test", "TEST"),
    "shapes": ("scaling.py", "shapes", "DATA"),
    "images": ("scaling.py", "images", "DATA", "--counts", "25000,50000"),
    "photos": ("photos.py",),
    "images-few": ("scaling.py", "images", "DATA", "--counts", "1000,5000"),
}
"""Each record's name, and the command that makes it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", help="training images; without them only the page")
    parser.add_argument("--test", help="test images of the same classes")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    options = parser.parse_args()
    if options.data:
        page.RECORDS.mkdir(parents=True, exist_ok=True)
        for name in options.only:
            measure(name, options.data, options.test)
    page.write()


def measure(name: str, data: str, test: str | None) -> None:
    """Run one benchmark in a process of its own, unless its record is there."""
    record = page.RECORDS / f"{name}.json"
    if record.exists():
        print(f"{name}: {record} is there; delete it to measure again")
        return
    file, *arguments = BENCHMARKS[name]
    if "TEST" in arguments and test is None:
        raise SystemExit(f"the benchmark {name} needs --test")
    given = {"DATA": data, "TEST": test}
    command = [str(HERE / file), *(given.get(a) or a for a in arguments), "--out", str(record)]
    print(name, flush=True)
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
