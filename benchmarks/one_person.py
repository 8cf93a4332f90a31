"""What a key of one person's is worth: found from half of their pictures, put on the other half.

    python benchmarks/one_person.py FACES --out results/benchmarks/one_person.jsonl

FACES has a folder for each person. For each seed some people are drawn, and each finds a key from
every second picture, among the other people, who are only looked at: `protect --classes` on the
folder that all lie in, which is `protect --as` where they lie beside it, but lets the people share
what is trained on clean pictures. It is put on the pictures in between, with which a model is then
trained to recognise everybody; it is tested on the pictures that no model was trained on, all of
them clean. A line of the record is a seed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import common
import numpy as np
from numpy.typing import NDArray

from unlearnable.applying import apply
from unlearnable.data.imageset import ImageSet
from unlearnable.data.sources import open_images
from unlearnable.methods import make_method
from unlearnable.noise import Budget
from unlearnable.protecting import protect
from unlearnable.runtime import Run
from unlearnable.schedules import SCHEDULES, Schedule
from unlearnable.settings import pairs
from unlearnable.storage import private_folder

FEW = Schedule(epochs=60, batch_size=32, learning_rate=0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder of people")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--people", type=int, default=5, help="that have keys")
    parser.add_argument("--epsilon", type=int, default=16)
    parser.add_argument("--size", type=int, default=64, help="working size, and the model's")
    parser.add_argument("--model", default="resnet18:16")
    parser.add_argument("--schedule", choices=SCHEDULES, help="of models; else one for few images")
    parser.add_argument("--trainings", type=int, default=1, help="of a model, whose mean counts")
    parser.add_argument("--method", default="em")
    parser.add_argument("--set", nargs="*", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, help="a file for the lines")
    options = parser.parse_args()
    for seed in options.seeds:
        about = {
            "data": options.data.name,
            "seed": seed,
            "epsilon": options.epsilon,
            "size": options.size,
            "model": options.model,
            "method": options.method,
            "search": options.settings,
        }
        if not common.there(about, options.out):
            with tempfile.TemporaryDirectory() as folder:
                run = Run.start(seed=seed)
                found = measured(Path(folder), options, run)
            found |= {"trainings": options.trainings, "schedule": schedule_of(options).settings()}
            found["hardware"] = run.hardware()
            common.append({**about, **found, "commit": common.commit()}, options.out)


def schedule_of(options: argparse.Namespace) -> Schedule:
    """How models are trained."""
    return SCHEDULES[options.schedule] if options.schedule else FEW


def measured(folder: Path, options: argparse.Namespace, run: Run) -> dict[str, object]:
    """What one seed gives: who is recognised, of those with keys and of the rest."""
    everybody = sorted(path for path in options.data.iterdir() if path.is_dir())
    own = run.rng("people").permutation(len(everybody))[: options.people]
    keyed = [everybody[place] for place in sorted(own)]
    for person in everybody:
        for place, picture in enumerate(sorted(person.iterdir())):
            half = "asked" if place % 2 else "trained"
            for root in (folder / half, *([folder / "published"] if half == "trained" else [])):
                (root / person.name).mkdir(parents=True, exist_ok=True)
                shutil.copy(picture, root / person.name)
    known = [with_key(folder, person.name, options, run) for person in keyed]
    test = open_images(folder / "asked", size=options.size)
    labels = [test.classes.index(person.name) for person in keyed]
    own_rows = np.isin(test.labels, labels)
    found: dict[str, object] = {"keyed": [person.name for person in keyed], "known": known}
    for arm in ("trained", "published"):
        train = open_images(folder / arm, size=options.size)
        right = recognised(train, test, options, run)
        name = "clean" if arm == "trained" else "protected"
        found[name] = {
            "keyed": round(float(right[own_rows].mean()), 4),
            "rest": round(float(right[~own_rows].mean()), 4),
        }
    return found


def recognised(
    train: ImageSet, test: ImageSet, options: argparse.Namespace, run: Run
) -> NDArray[np.float64]:
    """How often each test picture is taken for whom it shows, over the trainings, 0 to 1."""
    schedule = schedule_of(options)
    runs = [run, *(run.seeded("again", number) for number in range(1, options.trainings))]
    models = [
        common.learnt(train, test, model=options.model, schedule=schedule, run=each)[1]
        for each in runs
    ]
    return np.mean([model.predictions == test.labels for model in models], axis=0)


def with_key(folder: Path, name: str, options: argparse.Namespace, run: Run) -> float:
    """Find a person's key from the pictures that are asked, and put it on those published.

    Returns:
        The share of their pictures that the surrogate knew in the end: from `em` without noise,
        from `tap` with `target=none` in spite of it.
    """
    place = folder / "keys" / name
    cache = private_folder(folder / "cache")
    done = protect(
        folder / "asked",
        place,
        method=make_method(options.method, {"form": "class-wise", **pairs(options.settings)}),
        budget=Budget("linf", options.epsilon),
        classes=(name,),
        size=options.size,
        seed=run.seed,
        cache=cache,
    )
    published = folder / "published" / name
    shutil.rmtree(published)
    apply(done.private, [folder / "trained" / name], published)
    shutil.rmtree(published.with_name(f"{name}.private"))
    found = done.manifest["search"]
    return float(found["bare"] if "bare" in found else found["unmoved"])


if __name__ == "__main__":
    main()
