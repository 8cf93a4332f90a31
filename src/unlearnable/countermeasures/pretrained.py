"""Fine-tuning: training goes on from a network that has learnt from other images.

Usual wherever images are few (Kornblith et al., "Do Better ImageNet Models Transfer Better?",
CVPR 2019, arXiv 1805.08974).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from unlearnable.countermeasures.last_layer import last_layer
from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.hooks import Countermeasure
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.settings import check, setting


class Normalized(nn.Module):
    """A network that is shown images of [0, 1] as timm's networks know them."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, model: nn.Module, mean: tuple[float, ...], deviation: tuple[float, ...]):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) in [0, 1] to logits (N, K)."""
        return self.model((x - self.mean) / self.deviation)


@dataclass(frozen=True)
class Pretrained(Countermeasure):
    """Weights from a file, or timm's own if they are at hand; nothing is ever fetched.

    A last layer for other classes is left out. All else must fit.

    Example:
        >>> Pretrained("weights.safetensors").schedule(Schedule(learning_rate=0.5)).learning_rate
        0.05
    """

    source: ClassVar[str] = "usual; Kornblith et al., CVPR 2019"
    called: ClassVar[str] = "fine-tuning a pretrained network"

    weights: str = setting(
        "timm", "a safetensors file; timm: timm's weights of the model, from this machine's cache"
    )
    rate_share: float = setting(0.1, "of the usual learning rate", above=0)

    def __post_init__(self) -> None:
        check(self)

    @property
    def files(self) -> tuple[Path, ...]:
        """The weights, unless they are timm's."""
        return () if self.weights == "timm" else (Path(self.weights),)

    def schedule(self, usual: Schedule) -> Schedule:
        """At a share of the usual learning rate."""
        return replace(usual, learning_rate=usual.learning_rate * self.rate_share)

    def start(self, model: nn.Module, train: ImageSet, *, run: Run) -> nn.Module:
        """The network with the weights of the file.

        Raises:
            SettingError: the weights are not at hand, cannot be read, or do not fit.
        """
        if self.weights != "timm":
            _load(model, Path(self.weights))
            return model
        known: Any = getattr(model, "pretrained_cfg", None)
        if known is None:
            raise SettingError(
                "pretrained: timm has no weights of this library's own resnets: name a file of "
                "weights, as in pretrained:weights.safetensors, or a model of timm's."
            )
        _load(model, _cached(known["hf_hub_id"]))
        return Normalized(model, known["mean"], known["std"])


def _cached(name: str) -> Path:
    """The file that timm left on this machine when it last fetched these weights."""
    file = try_to_load_from_cache(name, "model.safetensors")
    if not isinstance(file, str):
        raise SettingError(
            f"pretrained: timm's weights {name} are not on this machine, and nothing is fetched: "
            "name a file of weights, as in pretrained:weights.safetensors."
        )
    return Path(file)


def _load(model: nn.Module, file: Path) -> None:
    try:
        given = load_file(file)
    except (OSError, SafetensorError) as error:
        raise SettingError(
            f"pretrained: {file} cannot be read as safetensors ({error})."
        ) from error
    own = model.state_dict()
    given = _named_like(own, given)
    head, _ = last_layer(model)
    if _shape(given, f"{head}.weight") != _shape(own, f"{head}.weight"):
        ours = {name: tensor for name, tensor in own.items() if name.startswith(f"{head}.")}
        given = {name: tensor for name, tensor in given.items() if not name.startswith(f"{head}.")}
        given |= ours
    for name in sorted(own.keys() | given.keys()):
        if _shape(given, name) != _shape(own, name):
            raise SettingError(
                f"pretrained: {file} is of another network: its {name} is "
                f"{_shape(given, name)}, and the model's {_shape(own, name)}."
            )
    model.load_state_dict(given)


def _named_like(own: Mapping[str, Tensor], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without what their names begin with, as in `module.conv1.weight`."""
    first = next(iter(own))
    starts = [name.removesuffix(first) for name in given if name.endswith(first)]
    start = min(starts, key=len, default="")
    return {name.removeprefix(start): tensor for name, tensor in given.items()}


def _shape(tensors: Mapping[str, Tensor], name: str) -> str:
    return "×".join(map(str, tensors[name].shape)) or "a number" if name in tensors else "missing"
