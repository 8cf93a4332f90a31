from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unlearnable.pgd import L2, Linf, Swept, attack, seen, steepest, sweep


def drawn(count: int = 7, seed: int = 0) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, 4, 5), generator=made, dtype=torch.uint8)


TARGETS = drawn(7, seed=1).float() / 255


def distance(x: Tensor, rows: Tensor) -> Tensor:
    """The squared distance of each image from a target of its own."""
    return ((x - TARGETS[rows]) ** 2).flatten(1).sum(1)


def brightness(x: Tensor, rows: Tensor) -> Tensor:
    return x.flatten(1).mean(1)


def swept(images: Tensor, delta: Tensor, objective: Any = distance, **others: Any) -> Swept:
    usual: dict[str, Any] = {
        "epsilon": 8,
        "size": 1,
        "steps": 6,
        "batch_size": 3,
        "dtype": torch.float32,
    }
    return sweep(objective, images, delta, **{**usual, **others})


def loss(images: Tensor, delta: Tensor) -> Tensor:
    return distance(seen(images, delta), torch.arange(len(images)))


def test_a_sweep_lowers_the_loss_of_every_image() -> None:
    delta = torch.zeros(7, 3, 4, 5)
    swept(drawn(), delta)
    assert (loss(drawn(), delta) < loss(drawn(), torch.zeros_like(delta))).all()


def test_negative_steps_raise_the_loss_of_every_image() -> None:
    delta = torch.zeros(7, 3, 4, 5)
    swept(drawn(), delta, size=-1)
    assert (loss(drawn(), delta) > loss(drawn(), torch.zeros_like(delta))).all()


def test_a_step_goes_by_its_size_against_the_gradient() -> None:
    images = torch.tensor([100, 100, 1, 254], dtype=torch.uint8).view(4, 1, 1, 1)
    goals = torch.tensor([0.0, 1, 0, 1]).view(4, 1, 1, 1)
    delta = torch.zeros(4, 1, 1, 1)
    swept(
        images,
        delta,
        lambda x, rows: ((x - goals[rows]) ** 2).flatten(1).sum(1),
        size=2.5,
        steps=1,
    )
    assert delta.flatten().tolist() == [-2.5, 2.5, -1, 1]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 20),
    st.sampled_from([-7.0, -0.8, 0.8, 3.0, 40.0]),
    st.integers(1, 5),
    st.sampled_from([torch.float32, torch.float16, torch.int8]),
)
def test_a_change_stays_within_epsilon_and_images_within_their_range(
    epsilon: int, size: float, steps: int, dtype: torch.dtype
) -> None:
    images = drawn()
    images[0], images[1] = 0, 255
    delta = torch.zeros(7, 3, 4, 5, dtype=dtype)
    swept(images, delta, epsilon=epsilon, size=size, steps=steps)
    assert delta.dtype == dtype
    assert delta.float().abs().max() <= epsilon
    total = images.float() + delta.float()
    assert total.min() >= 0
    assert total.max() <= 255


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
@pytest.mark.parametrize("leave", [None, 1.5])
def test_the_result_does_not_depend_on_the_size_of_batches(
    batch_size: int, leave: float | None
) -> None:
    found = []
    for size in (3, batch_size):
        delta = torch.zeros(7, 3, 4, 5)
        result = swept(drawn(), delta, batch_size=size, leave=leave)
        found.append((delta, result.rows, result.image_steps))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert found[0][2] == found[1][2]


def test_images_that_have_converged_take_no_further_step() -> None:
    images = torch.tensor([6, 3, 100, 8, 10], dtype=torch.uint8).view(5, 1, 1, 1)
    delta = torch.zeros(5, 1, 1, 1)
    result = swept(images, delta, brightness, epsilon=50, steps=8, leave=5.5 / 255)
    assert delta.flatten().tolist() == [-2, -1, -8, -4, -6]
    assert result.rows.tolist() == [2]
    assert result.image_steps == 2 + 1 + 8 + 4 + 6


def test_a_sweep_ends_when_every_image_has_converged() -> None:
    calls = []

    def counted(x: Tensor, rows: Tensor) -> Tensor:
        calls.append(rows.tolist())
        return brightness(x, rows)

    images = torch.tensor([6, 3, 3], dtype=torch.uint8).view(3, 1, 1, 1)
    result = swept(images, torch.zeros(3, 1, 1, 1), counted, batch_size=2, leave=5.5 / 255)
    assert calls == [[0, 1], [2], [0]]
    assert (result.rows.tolist(), result.image_steps) == ([], 4)


def test_without_leaving_every_image_takes_every_step() -> None:
    result = swept(drawn(), torch.zeros(7, 3, 4, 5), steps=5)
    assert result.rows.tolist() == list(range(7))
    assert result.image_steps == 35


def test_a_sweep_goes_on_from_the_change_it_is_given() -> None:
    whole, halves = torch.zeros(7, 3, 4, 5), torch.zeros(7, 3, 4, 5)
    swept(drawn(), whole, steps=6)
    for _ in range(2):
        swept(drawn(), halves, steps=3)
    assert torch.equal(whole, halves)


def test_progress_rises_to_the_whole() -> None:
    told: list[float] = []
    swept(drawn(), torch.zeros(7, 3, 4, 5), steps=2, tell=told.append)
    assert told == sorted(told)
    assert len(told) == 6
    assert told[-1] == 1


def test_signs_are_those_of_the_gradient_and_leave_the_images_alone() -> None:
    x = drawn().float() / 255
    sign, losses = steepest(distance, x, torch.arange(7))
    assert torch.equal(sign, (x - TARGETS).sign())
    assert torch.equal(losses, distance(x, torch.arange(7)))
    assert not x.requires_grad
    assert not losses.requires_grad


def test_a_network_is_shown_clamped_images_from_nought_to_one() -> None:
    images = torch.tensor([0, 100, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    shown = seen(images, torch.tensor([-8.0, 2, 8]).view(1, 1, 1, 3), torch.bfloat16)
    assert shown.dtype == torch.bfloat16
    assert shown.flatten().tolist() == [0, pytest.approx(0.4, rel=2**-8), 1]
    assert images.flatten().tolist() == [0, 100, 255]


@settings(max_examples=30, deadline=None)
@given(st.floats(1, 300), st.sampled_from([-40.0, 0.8, 25.0]), st.integers(1, 5))
def test_a_change_stays_within_its_length_too(epsilon: float, size: float, steps: int) -> None:
    images = drawn()
    images[0], images[1] = 0, 255
    delta = torch.zeros(7, 3, 4, 5)
    swept(images, delta, epsilon=epsilon, size=size, steps=steps, ball=L2)
    assert (delta.flatten(1).norm(dim=1) <= epsilon * (1 + 1e-5)).all()
    assert (images + delta).min() >= 0
    assert (images + delta).max() <= 255


def test_a_step_of_a_length_goes_along_the_gradient() -> None:
    images, delta = torch.full((7, 3, 4, 5), 128, dtype=torch.uint8), torch.zeros(7, 3, 4, 5)
    swept(images, delta, epsilon=50, size=5, steps=1, ball=L2)
    wanted = TARGETS - 128 / 255
    along = torch.cosine_similarity(delta.flatten(1), wanted.flatten(1))
    assert torch.allclose(delta.flatten(1).norm(dim=1), torch.full((7,), 5.0))
    assert torch.allclose(along, torch.ones(7))


@pytest.mark.parametrize("ball", [Linf, L2])
def test_after_no_step_an_attack_is_anywhere_in_its_ball(ball: Any) -> None:
    x = torch.full((400, 3, 2, 2), 0.5)
    moved = attack(
        lambda x: x.flatten(1).sum(1),
        x,
        radius=0.1,
        step=1,
        steps=0,
        generator=torch.Generator().manual_seed(0),
        ball=ball,
    )
    change = (moved - x).flatten(1)
    size = change.abs().amax(1) if ball is Linf else change.norm(dim=1)
    assert size.max() <= 0.1 + 1e-6
    assert size.min() < 0.9 * size.max()
    assert change.mean().abs() < 0.005
