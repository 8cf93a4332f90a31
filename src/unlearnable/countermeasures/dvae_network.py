"""The network of D-VAE: one code of an image, and two decoders."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHRINK = 2  # pixels to a place of the code, down and across
CODE = 32  # numbers at each place of the code
EMBEDDING = 4  # numbers that a class has at each pixel


@dataclass(frozen=True)
class Decoded:
    """What becomes of images (n, C, H, W) in [0, 1].

    Attributes:
        image: what the code says of them (x̂), like the images.
        noise: what the code and the class say of the rest (p̂), like the images.
        rate: the code's KL divergence from a standard normal one in nats, the mean over places.
    """

    image: Tensor
    noise: Tensor
    rate: Tensor


class DisentanglingVAE(nn.Module):
    """A variational autoencoder, and a second decoder that is told the class.

    Args:
        classes: how many there are.
        channels: of the images.
        size: height and width in pixels.
        width: channels of the first convolution.
    """

    def __init__(self, classes: int, channels: int, size: tuple[int, int], width: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *_layer(channels, width, stride=1),
            *_layer(width, 2 * width, stride=SHRINK),
            *_layer(2 * width, 2 * width, stride=1),
            nn.Conv2d(2 * width, 2 * CODE, 1),
        )
        self.image = nn.Sequential(_decoder(width), nn.Conv2d(width, channels, 3, padding=1))
        self.embedding = nn.Parameter(torch.zeros(classes, EMBEDDING, *size))
        self.rest = _decoder(width)
        self.noise = nn.Conv2d(width + EMBEDDING, channels, 3, padding=1)

    def forward(self, x: Tensor, y: Tensor, draws: torch.Generator | None = None) -> Decoded:
        """Images (n, C, H, W) in [0, 1] of classes (n,); without draws the code is its mean."""
        height, width = x.shape[2:]
        padded = F.pad(x, (0, -width % SHRINK, 0, -height % SHRINK), mode="replicate")
        mean, log_variance = self.encoder(padded).float().chunk(2, dim=1)
        code = mean
        if draws is not None:
            normal = torch.randn(mean.shape, generator=draws, device=draws.device)
            code = mean + normal.to(x.device) * (log_variance / 2).exp()
        rate = (mean.square() + log_variance.exp() - log_variance - 1).sum(1).mean() / 2
        image = self.image(code)[..., :height, :width].float().sigmoid()
        rest = self.rest(code)[..., :height, :width]
        noise = self.noise(torch.cat([rest, self.embedding[y]], dim=1)).float()
        return Decoded(image, noise, rate)


def _layer(inputs: int, outputs: int, *, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


def _decoder(width: int) -> nn.Module:
    """From the code to `width` channels at each pixel."""
    return nn.Sequential(
        *_layer(CODE, 2 * width, stride=1),
        nn.ConvTranspose2d(2 * width, width, 2 * SHRINK, SHRINK, padding=SHRINK // 2, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
