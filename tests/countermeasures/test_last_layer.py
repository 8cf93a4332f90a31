from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from unlearnable.countermeasures.last_layer import features, last_layer
from unlearnable.data.shapes import shapes
from unlearnable.errors import SettingError
from unlearnable.models import make_model
from unlearnable.runtime import Run


@pytest.mark.parametrize(
    "name", ["resnet18", "densenet121", "vgg11_bn", "vit_tiny_patch16_224", "mobilenetv3_small_100"]
)
def test_it_is_the_classifier_of_a_network_of_timm(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name, num_classes=7)
    assert last_layer(model)[1] is model.get_classifier()


def test_a_network_without_one_is_refused() -> None:
    with pytest.raises(SettingError, match="does not end in a linear layer"):
        last_layer(nn.Sequential(nn.Conv2d(3, 2, 3)))


def test_features_times_the_layer_are_the_logits() -> None:
    model, images = make_model("resnet18:2", 10, 32), shapes(10)
    run = Run.start("cpu", precision="float32")
    shown = features(model, images, run)
    logits = model(run.upload(images.images).float() / 255)
    assert shown.shape == (10, 16)
    assert torch.allclose(last_layer(model)[1](shown), logits, atol=1e-6)
