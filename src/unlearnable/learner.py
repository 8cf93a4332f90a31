"""A network in training, one step at a time."""

from __future__ import annotations

import copy
from itertools import compress

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearnable.checkpoint import pack, unpack
from unlearnable.hooks import NOTHING, Countermeasure, Moment
from unlearnable.replay import WARM_UP, Replay
from unlearnable.runtime import Run


class Learner:
    """A network in training: one SGD step at a time, in mixed precision.

    With `average`, a decay, it keeps a mean of weights as well (Polyak and Juditsky, 1992).
    """

    def __init__(
        self,
        model: nn.Module,
        run: Run,
        *,
        momentum: float,
        weight_decay: float,
        clip: float | None,
        nesterov: bool = False,
        label_smoothing: float = 0.0,
        average: float = 0.0,
    ) -> None:
        self.model = model.to(run.device).to(memory_format=torch.channels_last)
        self.run = run
        self.clip = clip
        self.label_smoothing = label_smoothing
        self.average = average
        self.mean = copy.deepcopy(self.model).requires_grad_(False) if average else None
        self.begun = False
        on_cuda = torch.device(run.device).type == "cuda"
        self.rate = torch.zeros((), device=run.device)
        self.optimizer = torch.optim.SGD(
            [p for p in self.model.parameters() if p.requires_grad],
            lr=self.rate if on_cuda else 0.0,
            momentum=momentum,
            weight_decay=weight_decay,
            nesterov=nesterov,
            fused=on_cuda or None,
        )
        self.plain = Replay(self._plain) if on_cuda else self._plain

    def step(
        self,
        x: Tensor,
        y: Tensor,
        rate: float,
        *,
        countermeasure: Countermeasure = NOTHING,
        moment: Moment | None = None,
    ) -> Tensor:
        """One step on images (n, C, H, W) in [0, 1] and labels (n,) or (n, K); gives the loss.

        A countermeasure that draws needs the moment.
        """
        self.model.train()
        self.rate.fill_(rate)
        if not self.optimizer.defaults["fused"]:  # which alone takes a rate from the device
            self.optimizer.param_groups[0]["lr"] = rate
        if "loss" not in countermeasure.hooks:
            return self.plain(x, y)
        return self._step(x, y, countermeasure, moment or self._no_moment())

    @property
    def warm_up(self) -> int:
        """Steps until one takes as long as those that follow."""
        return WARM_UP + 1 if isinstance(self.plain, Replay) else 1

    def _plain(self, x: Tensor, y: Tensor) -> Tensor:
        return self._step(x, y, NOTHING, self._no_moment())

    def _no_moment(self) -> Moment:
        return Moment(self.run, torch.default_generator, 0.0)

    def _step(self, x: Tensor, y: Tensor, countermeasure: Countermeasure, moment: Moment) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        with self.run.autocast():
            loss = countermeasure.loss(self.model, x, y, criterion=self._criterion, moment=moment)
        torch.autograd.backward(loss)
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
        self.optimizer.step()
        if self.mean is not None:
            self._follow(self.mean)
        self.begun = True
        return loss.detach()

    @torch.no_grad()
    def _follow(self, mean: nn.Module) -> None:
        """Move the mean weights, and statistics of batch norm, on by a step."""
        old, new = list(mean.state_dict().values()), list(self.model.state_dict().values())
        moved = [t.is_floating_point() and self.begun for t in old]
        if self.begun:
            olds, news = list(compress(old, moved)), list(compress(new, moved))
            torch._foreach_lerp_(olds, news, 1 - self.average)
        for mine, theirs, done in zip(old, new, moved, strict=True):
            if not done:
                mine.copy_(theirs)

    def _criterion(self, logits: Tensor, y: Tensor) -> Tensor:
        smoothing = self.label_smoothing
        return F.cross_entropy(logits.float(), y, reduction="none", label_smoothing=smoothing)

    @property
    def best(self) -> nn.Module:
        """The network that counts: with averaged weights, if they are averaged."""
        return self.model if self.mean is None else self.mean

    def state(self) -> dict[str, Tensor]:
        """Weights, statistics and momenta, for a checkpoint."""
        momenta = {
            name: self.optimizer.state[p]["momentum_buffer"]
            for name, p in self.model.named_parameters()
            if self.optimizer.state[p].get("momentum_buffer") is not None
        }
        mean = {} if self.mean is None else self.mean.state_dict()
        return {
            **pack("model", self.model.state_dict()),
            **pack("momentum", momenta),
            **pack("mean", mean),
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        self.model.load_state_dict(unpack("model", tensors))
        self.begun = True
        if self.mean is not None:
            self.mean.load_state_dict(unpack("mean", tensors))
        momenta = unpack("momentum", tensors)
        for name, parameter in self.model.named_parameters():
            if name in momenta:
                saved = torch.empty_like(parameter).copy_(momenta[name])
                self.optimizer.state[parameter]["momentum_buffer"] = saved
