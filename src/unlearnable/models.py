"""Networks by name, in the form that suits the size of the images.

`resnet18:16` is ResNet-18 of width 16 (the published one has 64). Our ResNets follow He et al.,
"Deep Residual Learning for Image Recognition", 2016; for small images they have a 3×3 stem of
stride 1 and no max-pooling, which the noise search needs. Our VGG-11 is that of Simonyan and
Zisserman, 2015, with batch norm and, as is usual on CIFAR, one linear layer at the end. Other names
come from timm, their stems changed in the same way; `densenet121:8` has a growth rate of 8 (32).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from unlearnable.errors import SettingError
from unlearnable.fusing import EverySecond

SMALL = 64  # pixels: up to here an image has no detail to spare for a stem that shrinks it


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = _shortcut(inputs, width, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, width, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions and a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.shortcut = _shortcut(inputs, 4 * width, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, 4 width, H / stride, W / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    pick = nn.Identity() if stride == 1 else EverySecond()
    return nn.Sequential(pick, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """A residual network with four stages; `small` gives it the stem for small images."""

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        *,
        width: int,
        num_classes: int,
        channels: int,
        small: bool,
    ) -> None:
        super().__init__()
        kernel, stride = (3, 1) if small else (7, 2)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Identity() if small else nn.MaxPool2d(3, 2, padding=1),
        )
        inputs, stages = width, []
        for stage, depth in enumerate(depths):
            for place in range(depth):
                step = 2 if stage > 0 and place == 0 else 1
                stages.append(block(inputs, width * 2**stage, step))
                inputs = width * 2**stage * block.expansion
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] to logits (N, num_classes)."""
        return self.head(self.pool(self.stages(self.stem(x))).flatten(1))


class Vgg(nn.Module):
    """3×3 convolutions with batch norm in five stages, each of which halves the resolution."""

    def __init__(
        self, depths: Sequence[int], *, width: int, num_classes: int, channels: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for stage, depth in enumerate(depths):
            outputs = width * min(2**stage, 8)
            for _ in range(depth):
                layers.append(nn.Conv2d(channels, outputs, 3, padding=1, bias=False))
                layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
                channels = outputs
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        self.layers = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] to logits (N, num_classes)."""
        return self.head(self.pool(self.layers(x)).flatten(1))


RESNETS: dict[str, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}
VGGS = {"vgg11": (1, 1, 2, 2, 2)}
DENSENETS = ("densenet121", "densenet161", "densenet169", "densenet201")
WITH_WIDTH = (*RESNETS, *VGGS, *DENSENETS)
"""The names that take a width; a DenseNet's is its growth rate."""


def make_model(
    name: str, num_classes: int, image_size: int, *, channels: int = 3, seed: int = 0
) -> nn.Module:
    """A fresh network.

    Args:
        name: resnet18, resnet34, resnet50, vgg11 or densenet121, with a width if it is not the
            published one (`resnet18:16`, `densenet121:8`); or a name that timm knows.
        num_classes: number of logits.
        image_size: the shorter side in pixels; up to 64 gives the stem for small images.
        channels: 3, or 1 for grey images.
        seed: decides the initial weights; the global random state is left as it was.

    Raises:
        SettingError: an unknown name, a width that is no number, or a network that cannot take
            images of that size.

    Example:
        >>> sum(p.numel() for p in make_model("resnet18:16", 10, 32).parameters())
        701466
    """
    base, _, text = name.partition(":")
    if text and (base not in WITH_WIDTH or not text.isdecimal() or int(text) < 1):
        raise SettingError(f"model {name!r}: a width is a number behind {', '.join(WITH_WIDTH)}.")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach every GPU
        if base in RESNETS:
            block, depths = RESNETS[base]
            return ResNet(
                block,
                depths,
                width=int(text or 64),
                num_classes=num_classes,
                channels=channels,
                small=image_size <= SMALL,
            )
        if base in VGGS:
            width = int(text or 64)
            return Vgg(VGGS[base], width=width, num_classes=num_classes, channels=channels)
        growth: dict[str, Any] = {"growth_rate": int(text)} if text else {}
        return _from_timm(base, num_classes, image_size, channels, growth)


def _from_timm(
    name: str, num_classes: int, image_size: int, channels: int, growth: dict[str, Any]
) -> nn.Module:
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:6]}*")[:5]) or "densenet121, vgg11_bn"
        raise SettingError(
            f"unknown model {name!r}: choose one of {', '.join(WITH_WIDTH)} (with a width if you "
            f"like, as in resnet18:16), or a name that timm knows, such as {near}."
        )
    model: nn.Module = timm.create_model(name, num_classes=num_classes, in_chans=channels, **growth)
    if image_size <= SMALL:
        _shrink_stem(model)
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, channels, image_size, image_size))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise SettingError(f"{name} cannot take images of {image_size} pixels: {error}") from error
    return model


def _shrink_stem(model: nn.Module) -> None:
    """Let a network of timm keep the resolution of small images in its first layers."""
    first = getattr(model, "pretrained_cfg", {}).get("first_conv")
    if isinstance(first, str):
        old = model.get_submodule(first)
        if isinstance(old, nn.Conv2d) and old.stride[0] > 1:
            new = nn.Conv2d(
                old.in_channels, old.out_channels, 3, padding=1, bias=old.bias is not None
            )
            model.set_submodule(first, new)
    for pool in ("maxpool", "features.pool0"):
        parent, _, leaf = pool.rpartition(".")
        if hasattr(model.get_submodule(parent) if _has(model, parent) else None, leaf):
            model.set_submodule(pool, nn.Identity())


def _has(model: nn.Module, name: str) -> bool:
    return name == "" or name in dict(model.named_modules())
