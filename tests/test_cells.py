from __future__ import annotations

from pathlib import Path

import pytest

from unlearnable.arms import Arm
from unlearnable.cells import Bench
from unlearnable.countermeasures import make_countermeasure
from unlearnable.data.shapes import shapes
from unlearnable.errors import DestinationError
from unlearnable.noise import Budget
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule


def test_a_disk_that_is_full_is_not_taken_for_another_process(tmp_path: Path) -> None:
    def full(stage: str, done: float, /, **figures: object) -> None:
        raise DestinationError("no space is left")

    images = shapes(20)
    schedule = Schedule(epochs=1, batch_size=20)
    run = Run.start("cpu", precision="float32", tell=full)
    bench = Bench(images, images, images, budget=Budget(), schedule=schedule, run=run, out=tmp_path)
    with pytest.raises(DestinationError, match="no space is left"):
        bench.work([bench.cell(Arm("clean"), make_countermeasure("none"), "resnet18:2", 0)])
