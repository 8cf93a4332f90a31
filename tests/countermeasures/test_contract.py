"""What every countermeasure of the table promises."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from unlearnable.countermeasures import COUNTERMEASURES, make_countermeasure
from unlearnable.data.imageset import ImageSet
from unlearnable.data.shapes import shapes
from unlearnable.hooks import ALONE, Countermeasure
from unlearnable.models import make_model
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.training import Fitted, fit

SHORT = Schedule(epochs=1, batch_size=8)
QUICK = {
    "dvae": "dvae:1:width=2",
    "diffusion": "diffusion:pipeline",
    "pretrained": "pretrained:weights.safetensors",
    "simclr": "simclr:1",
}
"""How to name one so that it takes no time; by default its bare name."""


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `QUICK` names."""
    folder = tmp_path_factory.mktemp("files")
    save_file(make_model("resnet18:2", 2, 32).state_dict(), folder / "weights.safetensors")
    return folder


@pytest.fixture
def beside_files(
    files: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    if "diffusion" in request.node.name and not (files / "pipeline").exists():
        request.getfixturevalue("save_pipeline")(files / "pipeline")


def spelt(name: str) -> str:
    return QUICK.get(name, name)


def eight() -> ImageSet:
    """Eight small pictures of two classes."""
    two = shapes(40)
    rows = np.flatnonzero(two.labels < 2)
    return replace(two.take(rows), classes=two.classes[:2])


def trained(text: str, data: ImageSet, device: str = "cpu") -> Fitted:
    countermeasure, run = make_countermeasure(text).does, Run.start(device, precision="float32")
    train = countermeasure.prepare(data, run=run)
    assert train.images.shape == data.images.shape
    assert train.images.dtype == data.images.dtype
    assert (train.labels == data.labels).all()
    model = make_model("resnet18:2", len(data.classes), min(data.size))
    return fit(
        model,
        train,
        schedule=SHORT,
        run=run,
        test=data,
        heldout=data,
        countermeasure=countermeasure,
    )


@pytest.mark.usefixtures("beside_files")
@pytest.mark.parametrize("name", COUNTERMEASURES)
def test_it_runs_on_eight_images(name: str, device: str) -> None:
    found = trained(spelt(name), eight(), device)
    assert found.predictions is not None and len(found.predictions) == 8


def pairs() -> list[Any]:
    found = []
    for one, other in combinations(COUNTERMEASURES, 2):
        kinds = [make_countermeasure(spelt(name)).does.hooks & set(ALONE) for name in (one, other)]
        if not kinds[0] & kinds[1]:
            found.append(f"{spelt(one)}+{spelt(other)}")
    return found


@pytest.mark.usefixtures("beside_files")
@pytest.mark.parametrize("text", pairs())
def test_it_composes_with_every_one_of_another_kind(text: str) -> None:
    assert trained(text, eight()).predictions is not None


@pytest.mark.parametrize("name", COUNTERMEASURES)
def test_its_fields_are_documented_settings(name: str) -> None:
    cls = COUNTERMEASURES[name]
    assert is_dataclass(cls) and issubclass(cls, Countermeasure)
    assert cls.source and cls.called
    assert all(field.metadata.get("meaning") for field in fields(cls))
    assert make_countermeasure(spelt(name)).does.hooks
