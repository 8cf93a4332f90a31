"""Training as one writes it first: float32, a DataLoader over PIL images, crops and flips there.

This is the yardstick of `training.py`: same network, schedule and augmentations as `fit()`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from unlearnable.data.imageset import ImageSet
from unlearnable.schedules import Schedule


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images of a set, to train on augmented one by one as they are asked for."""

    def __init__(self, images: ImageSet, *, augmented: bool = True) -> None:
        self.pictures = [Image.fromarray(image) for image in images.images]
        self.labels = images.labels.tolist()
        moved = [transforms.RandomCrop(images.size, padding=4), transforms.RandomHorizontalFlip()]
        self.transform = transforms.Compose([*(moved if augmented else ()), transforms.ToTensor()])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.pictures[index]), self.labels[index]


def train(model: nn.Module, images: ImageSet, schedule: Schedule, *, workers: int) -> nn.Module:
    """Train a model in place by a schedule."""
    batches = DataLoader(
        Pictures(images), batch_size=schedule.batch_size, shuffle=True, num_workers=workers
    )
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=schedule.learning_rate,
        momentum=schedule.momentum,
        nesterov=schedule.nesterov,
        weight_decay=schedule.weight_decay,
    )
    model.train()
    for epoch in range(schedule.epochs):
        for place, (x, y) in enumerate(batches):
            progress = (epoch + place / len(batches)) / schedule.epochs
            optimizer.param_groups[0]["lr"] = schedule.rate(progress)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model


@torch.no_grad()
def test(model: nn.Module, images: ImageSet, *, workers: int) -> float:
    """The share of images that a model gets right."""
    batches = DataLoader(Pictures(images, augmented=False), batch_size=500, num_workers=workers)
    model.eval()
    return sum(int((model(x).argmax(1) == y).sum()) for x, y in batches) / len(images)
