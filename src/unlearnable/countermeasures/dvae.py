"""Purification by a disentangling autoencoder, trained on the suspect images alone.

Yu et al., "Purify Unlearnable Examples via Rate-Constrained Variational Autoencoders", ICML 2024,
arXiv 2405.01460. A code that may say little leaves noise out; what the class foretells of the rest
is the noise of the class, and is taken away.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearnable.checkpoint import Checkpoint
from unlearnable.countermeasures.dvae_network import Decoded, DisentanglingVAE
from unlearnable.data.imageset import ImageSet
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.settings import check, setting
from unlearnable.training import EVALUATION_BATCH, shuffled

RATES = (1.0, 3.0)  # nats at each place of the code that cost nothing, round by round
RATE_WEIGHT = 0.01
FREE_NOISE = 0.002  # mean square of p̂ that costs nothing
NOISE_BOUND_FROM = 1 / 6  # of a round; before, all of p̂ is free
CLIP = 5.0


@dataclass(frozen=True)
class DVAE(Countermeasure):
    """Two rounds of training an autoencoder: p̂ is subtracted, then the rest is coded in few bits.

    Smaller than the published one, and each class's embedding is as large as an image, so that few
    epochs suffice.

    Example:
        >>> DVAE(30).hooks
        frozenset({'prepare'})
    """

    source: ClassVar[str] = "Yu et al., ICML 2024"
    called: ClassVar[str] = "D-VAE purification"

    epochs: int = setting(20, "of the autoencoder in each round; published: 60", least=1)
    width: int = setting(16, "channels of its first convolution; published: 64", least=1)
    batch_size: int = setting(128, "images to a step", least=2)
    learning_rate: float = setting(0.005, "of Adam at first", above=0)

    def __post_init__(self) -> None:
        check(self)

    @property
    def cost(self) -> float:
        """An epoch of both rounds takes about as long as one of a network of width 16."""
        return 1 + 0.08 * self.epochs

    def prepare(self, train: ImageSet, *, run: Run) -> ImageSet:
        """Each image's x − p̂, and of that what the code of the second round says."""
        settings = {
            "countermeasure": asdict(self),
            "data": train.digest() if run.state else None,
            "seed": run.seed,
            "precision": run.precision,
        }
        checkpoint = Checkpoint(run.state, "dvae", settings)
        x, y = run.upload(train.images), torch.from_numpy(train.labels).to(run.device)
        done = 0
        if (saved := checkpoint.load()) is not None:
            x, done = saved[0]["images"].to(run.device), saved[1]["rounds"]
        for number in range(done, len(RATES)):
            model = self._trained(x, y, len(train.classes), number, run)
            x = _purified(model, x, y, run, coded=number + 1 == len(RATES))
            checkpoint.save({"images": x}, {"rounds": number + 1})
        return replace(train, images=x.permute(0, 2, 3, 1).cpu().contiguous().numpy())

    def _trained(
        self, x: Tensor, y: Tensor, classes: int, number: int, run: Run
    ) -> DisentanglingVAE:
        """The autoencoder of a round, from images (N, C, H, W), uint8, and their classes."""
        purpose = run.seeded("dvae", number)
        model = self._fresh(x, classes, purpose)
        optimizer = torch.optim.Adam(model.parameters())
        schedule = Schedule(epochs=self.epochs, learning_rate=self.learning_rate, policy="cosine")
        for epoch in range(self.epochs):
            progress = epoch / self.epochs
            optimizer.param_groups[0]["lr"] = schedule.rate(progress)
            draws = purpose.generator("code", epoch)
            for rows in shuffled(len(x), self.batch_size, purpose, epoch):
                images = x[rows].float().div(255)
                with run.autocast():
                    decoded = model(images, y[rows], draws)
                loss = _loss(decoded, images, RATES[number], bounded=progress > NOISE_BOUND_FROM)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
                optimizer.step()
            run.tell("purify", (number + progress) / len(RATES), epoch=epoch + 1)
        return model

    def _fresh(self, x: Tensor, classes: int, run: Run) -> DisentanglingVAE:
        _, channels, height, width = x.shape
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(run.seed)
            model = DisentanglingVAE(classes, channels, (height, width), self.width)
        return model.to(run.device).to(memory_format=torch.channels_last)


def _loss(decoded: Decoded, x: Tensor, free_rate: float, *, bounded: bool) -> Tensor:
    loss = F.mse_loss(decoded.image, x) + F.mse_loss(decoded.image + decoded.noise, x)
    loss = loss + RATE_WEIGHT * decoded.rate.clamp_min(free_rate)
    return loss + decoded.noise.square().mean().clamp_min(FREE_NOISE) if bounded else loss


@torch.no_grad()
def _purified(model: DisentanglingVAE, x: Tensor, y: Tensor, run: Run, *, coded: bool) -> Tensor:
    """Images (N, C, H, W), uint8, without p̂; if coded, what the code of those says."""
    model.eval()
    levels = []
    for rows in torch.split(torch.arange(len(x), device=x.device), EVALUATION_BATCH):
        images = x[rows].float().div(255)
        with run.autocast():
            images = (images - model(images, y[rows]).noise).clamp(0, 1)
            if coded:
                images = model(images, y[rows]).image
        levels.append((images * 255).round().clamp(0, 255).to(torch.uint8))
    return torch.cat(levels)
