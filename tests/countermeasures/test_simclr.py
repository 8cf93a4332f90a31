from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unlearnable.countermeasures.last_layer import last_layer
from unlearnable.countermeasures.simclr import Probe, SimCLR, TwoViews, nt_xent
from unlearnable.data.gather import from_arrays
from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.freezing import frozen
from unlearnable.hooks import Moment
from unlearnable.models import make_model
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.training import fit

SHORT = SimCLR(epochs=4, batch_size=16, strength=0.3)


def coloured(count: int = 48) -> ImageSet:
    """Blots of colour, each image its own."""
    rng = np.random.default_rng(0)
    blots = rng.integers(0, 256, (count, 2, 2, 3), dtype=np.uint8)
    images = blots.repeat(4, axis=1).repeat(4, axis=2)
    return from_arrays(images, np.arange(count) % 3, ["a", "b", "c"], source="blots")


def pretrained(countermeasure: SimCLR = SHORT, **others: Any) -> Probe:
    run = replace(Run.start("cpu", precision="float32", seed=3), **others)
    started = countermeasure.start(make_model("resnet18:4", 3, 8), coloured(), run=run)
    assert isinstance(started, Probe)
    return started


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(a.equal(b) for a, b in pairs)


def contrast(body: nn.Module) -> float:
    """NT-Xent of new views."""
    run = Run.start("cpu", precision="float32")
    x = run.upload(coloured().images).float() / 255
    seen, _ = TwoViews(0.5, 0.3).batch(
        x, torch.arange(len(x)), moment=Moment(run, run.generator("test"), 0.0)
    )
    with torch.no_grad():
        return nt_xent(body.eval()(seen), 0.5).item()


def test_two_views_of_an_image_are_told_from_the_others() -> None:
    fresh = make_model("resnet18:4", 3, 8)
    fresh.set_submodule("head", nn.Identity())
    before, after = contrast(fresh), contrast(pretrained(replace(SHORT, epochs=10)).body)
    assert after < before - 0.4


def test_the_loss_is_least_where_pairs_agree_and_others_do_not() -> None:
    one, other = torch.eye(4)[:2], torch.eye(4)[2:]
    pairs, strangers = nt_xent(torch.cat([one, one]), 0.5), nt_xent(torch.cat([one, other]), 0.5)
    assert pairs < strangers == pytest.approx(np.log(3))


def test_labels_have_no_part_in_pretraining() -> None:
    run = Run.start("cpu", precision="float32", seed=3)
    data = replace(coloured(), labels=np.zeros(48, dtype=np.int64))
    other = SHORT.start(make_model("resnet18:4", 3, 8), data, run=run)
    assert same(other.body, pretrained().body)


def test_only_the_last_layer_is_trained_afterwards() -> None:
    run = Run.start("cpu", precision="float32", seed=3)
    schedule = Schedule(epochs=2, batch_size=16)
    model = make_model("resnet18:4", 3, 8)
    found = fit(model, coloured(), schedule=schedule, run=run, countermeasure=SHORT).model
    assert same(found.body, pretrained().body), "batch norm's statistics included"
    assert not same(found.head, make_model("resnet18:4", 3, 8).get_submodule("head"))
    assert last_layer(found)[1] is found.head
    x = torch.rand(2, 3, 8, 8)
    assert torch.allclose(frozen(found, torch.float32)(x), found.eval()(x), atol=1e-5)


def test_the_same_seed_and_a_resumed_run_give_the_same_network(tmp_path: Path) -> None:
    def kill(stage: str, done: float, /, **figures: object) -> None:
        if figures["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrained(state=tmp_path, tell=kill)
    resumed, whole = pretrained(state=tmp_path), pretrained()
    again = pretrained(state=tmp_path, tell=kill)  # nothing is left to do, nor to tell
    assert same(resumed, whole) and same(again, whole)
    assert not same(pretrained(seed=4).body, whole.body)


def test_no_epochs_are_refused() -> None:
    with pytest.raises(SettingError, match="epochs=0 is out of range"):
        SimCLR(0)
