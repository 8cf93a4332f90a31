from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unlearnable.countermeasures.mixing import CutMix, Mixup, soft
from unlearnable.errors import SettingError
from unlearnable.hooks import Moment
from unlearnable.runtime import Run

both = pytest.mark.parametrize("cls", [Mixup, CutMix])


def moment(classes: int) -> Moment:
    run = Run.start("cpu", precision="float32")
    return Moment(run, torch.Generator().manual_seed(0), 0.5, classes)


def mixed(countermeasure: Mixup | CutMix, y: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """From images that are white where the label is 1 and black otherwise."""
    x = (y == 1).float().view(-1, 1, 1, 1).expand(-1, 3, 12, 20)
    return countermeasure.batch(x, y, moment=moment(classes))


@both
@pytest.mark.parametrize("mixes", [1, 2])
def test_labels_are_mixed_in_the_same_shares_as_pixels(
    cls: type[Mixup | CutMix], mixes: int
) -> None:
    x, y = mixed(cls(chance=1.0, mixes=mixes), torch.arange(200) % 2, 2)
    shares = x.mean((1, 2, 3))
    assert torch.allclose(y[:, 1], shares, atol=1e-5)
    assert torch.allclose(y.sum(1), torch.ones(200), atol=1e-5)
    assert ((shares > 0.05) & (shares < 0.95)).sum() > 60


def test_a_blend_is_even_and_a_cut_is_a_rectangle() -> None:
    blended, _ = mixed(Mixup(chance=1.0, mixes=1), torch.arange(200) % 2, 2)
    assert (blended.flatten(1).std(1) < 1e-6).all()
    cut, _ = mixed(CutMix(chance=1.0, mixes=1), torch.arange(200) % 2, 2)
    assert set(cut.unique().tolist()) == {0.0, 1.0}
    for image in cut[::2, 0]:
        rows, columns = image.any(1), image.any(0)
        assert image.sum() == rows.sum() * columns.sum()


@both
def test_the_chance_is_that_of_a_mix_an_image(cls: type[Mixup | CutMix]) -> None:
    for chance, mixes, alone in ((0.5, 1, 0.5), (0.5, 2, 0.25), (0.1, 1, 0.9)):
        _, y = mixed(cls(chance=chance, mixes=mixes), torch.arange(1000), 1000)
        whole = (y.max(1).values == 1).float().mean()
        assert whole == pytest.approx(alone, abs=0.06)


@pytest.mark.parametrize("beta", [0.3, 1.0, 4.0])
def test_shares_have_the_mean_and_the_variance_of_their_distribution(beta: float) -> None:
    _, y = mixed(Mixup(beta, chance=1.0, mixes=1), torch.arange(2000), 2000)
    share = y.diagonal()
    assert share.mean() == pytest.approx(0.5, abs=0.03)
    assert share.var() == pytest.approx(1 / (4 * (2 * beta + 1)), rel=0.15)


@both
def test_soft_labels_are_mixed_further(cls: type[Mixup | CutMix]) -> None:
    y = torch.full((8, 4), 0.25)
    x = torch.rand(8, 3, 8, 8)
    assert torch.allclose(cls().batch(x, y, moment=moment(4))[1], y)
    assert torch.equal(soft(torch.tensor([2, 0]), 3), torch.tensor([[0, 0, 1.0], [1.0, 0, 0]]))


@both
@pytest.mark.parametrize("setting", [{"beta": 0.0}, {"chance": 0.0}, {"mixes": 0}])
def test_settings_that_mix_nothing_are_refused(
    cls: type[Mixup | CutMix], setting: dict[str, float]
) -> None:
    with pytest.raises(SettingError, match=next(iter(setting))):
        cls(**setting)
