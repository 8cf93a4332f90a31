"""The last linear layer of a network, and what it is shown."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.runtime import Run
from unlearnable.training import EVALUATION_BATCH


def last_layer(model: nn.Module) -> tuple[str, nn.Linear]:
    """The layer that gives the logits, by its name in the network.

    Raises:
        SettingError: the network has no linear layer.
    """
    linear = [pair for pair in model.named_modules() if isinstance(pair[1], nn.Linear)]
    if not linear:
        raise SettingError(
            f"{type(model).__name__} does not end in a linear layer, which this countermeasure "
            "takes for the last: choose another model, such as resnet18."
        )
    return linear[-1]


@torch.no_grad()
def features(model: nn.Module, images: ImageSet, run: Run) -> Tensor:
    """What the last layer is shown of each image by the network in eval mode, (n, features)."""
    shown: list[Tensor] = []
    _, layer = last_layer(model)
    hook = layer.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    model.eval()
    for batch in torch.split(run.upload(images.images), EVALUATION_BATCH):
        model(batch.float().div_(255))
    hook.remove()
    return torch.cat(shown)
