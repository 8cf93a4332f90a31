"""How well simple networks read the labels of images that they have not seen.

Noise that is to be learnt instead of the images ties their finest detail to the labels, and so
simply that a linear network finds it (Yu et al., "Availability Attacks Create Shortcuts", KDD
2022, arXiv 2111.00898). In natural images that detail says little, once each pixel is compared
with what its neighbours foretell and busy places count less, as steganalysis does it (Ker and
Böhme, "Revisiting weighted stego-image steganalysis", 2008).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearnable.countermeasures.jpeg import JPEG
from unlearnable.data.imageset import ImageSet
from unlearnable.freezing import frozen
from unlearnable.runtime import Run
from unlearnable.schedules import Schedule
from unlearnable.scoring import mean_recall
from unlearnable.training import accuracy, fit

View = Callable[[Tensor], Tensor]
"""What a network sees of images (n, C, H, W) in levels: numbers of any shape (n, …)."""

Values = Callable[[NDArray[np.int64]], Tensor]
"""What it sees of some rows of a set."""

KERNEL = ((-0.25, 0.5, -0.25), (0.5, 0.0, 0.5), (-0.25, 0.5, -0.25))
"""What a pixel is foretold from its neighbours (Ker and Böhme)."""
GRAIN = 3.0  # levels of detail that every picture has
QUIET = 12.0  # levels of detail from which on a place is left aside
CLIPPED = 30.0  # levels: one hard edge does not count for more
GRID = 8  # pixels: a block of JPEG
CHUNK = 500  # images that are looked at together
BLOCK = 1500  # images that are read together: time grows with its cube
DECAYS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
HIDDEN = 256
SCHEDULE = Schedule(epochs=10, batch_size=64, learning_rate=0.02, augmentations="")
EARLY = 3  # epochs
HELDOUT = 5  # one image in so many


def pixels(x: Tensor) -> Tensor:
    """The images themselves."""
    return x


def detail(x: Tensor) -> Tensor:
    """What the neighbours of a pixel do not foretell, less where there is much of it."""
    rest = _rest(x)
    return rest / (_activity(rest) + GRAIN**2)


def quiet_detail(x: Tensor) -> Tensor:
    """The same in quiet places alone, where no edge and no mark is."""
    rest = _rest(x)
    activity = _activity(rest)
    return rest / (activity + GRAIN**2) * torch.exp(-activity / QUIET**2)


def _rest(x: Tensor) -> Tensor:
    x, channels = x.contiguous(), x.shape[1]  # pooling is slow with channels last
    kernel = torch.tensor(KERNEL, dtype=x.dtype, device=x.device).expand(channels, 1, 3, 3)
    return x - F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)


def _activity(rest: Tensor) -> Tensor:
    """The mean square around a pixel."""
    square = rest.clamp(-CLIPPED, CLIPPED).square()
    return F.avg_pool2d(F.pad(square, (2, 2, 2, 2), mode="replicate"), 5, 1)


def without_fine_detail(images: ImageSet, quality: int, run: Run) -> ImageSet:
    """The images after JPEG, its grid laid elsewhere in each.

    On one grid the edges of its blocks would make fine detail out of what the picture shows.
    """
    corners = run.rng("grid").integers(GRID, size=(len(images), 2))
    compressed = JPEG(quality).prepare(_rolled(images, corners), run=run)
    return _rolled(compressed, -corners)


def _rolled(images: ImageSet, by: NDArray[np.int64]) -> ImageSet:
    pairs = zip(images.images, by, strict=True)
    return replace(images, images=np.stack([np.roll(x, tuple(d), (0, 1)) for x, d in pairs]))


@dataclass(frozen=True, eq=False)
class Reading:
    """What linear networks say of images that they were not fitted on.

    Attributes:
        share: the share of the labels' variance that they explain: 0 is none, 1 all.
        accuracy: mean recall over the classes.
        given: what each image's own label gets, (N,): 1 if it is surely read, about 1/K if not.
    """

    share: float
    accuracy: float
    given: NDArray[np.float64]


def read(values: Values, labels: NDArray[np.int64], classes: int, run: Run) -> Reading:
    """Read the label of each image by a network fitted on others.

    A linear network is fitted by least squares with the weight decay that serves the others best;
    leaving out each image in turn takes no further fit. Large sets are read in parts.
    """
    wrong, total = torch.zeros(len(labels), classes, dtype=torch.float64), 0.0
    for rows in _parts(labels, run):
        targets = F.one_hot(torch.from_numpy(labels[rows]), classes).double()
        targets -= targets.mean(0)
        wrong[rows] = _left_out(values(rows).flatten(1), targets)
        total += float((targets * len(rows) / (len(rows) - 1)).square().sum())
    said = (F.one_hot(torch.from_numpy(labels), classes) - wrong).numpy()
    return Reading(
        share=1 - float(wrong.square().sum()) / total,
        accuracy=mean_recall(said.argmax(1), labels, classes),
        given=said[np.arange(len(labels)), labels],
    )


def seen(images: ImageSet, view: View, run: Run) -> Values:
    """What a network sees of some rows of a set."""

    def values(rows: NDArray[np.int64]) -> Tensor:
        levels = run.upload(images.images[rows])
        return torch.cat([view(part.float()) for part in torch.split(levels, CHUNK)])

    return values


def differences(suspect: ImageSet, clean: ImageSet, run: Run) -> dict[str, float]:
    """How well labels are read from what was changed, and how large that is."""
    channels = max(suspect.channels, clean.channels)
    pair = [seen(part.with_channels(channels), pixels, run) for part in (suspect, clean)]
    found = read(lambda rows: pair[0](rows) - pair[1](rows), clean.labels, len(clean.classes), run)
    changes = zip(*(part.with_channels(channels).images for part in (suspect, clean)), strict=True)
    largest = max(int(np.abs(a.astype(np.int16) - b).max()) for a, b in changes)
    return {"separability": found.accuracy, "largest_change": float(largest)}


def _parts(labels: NDArray[np.int64], run: Run) -> Iterator[NDArray[np.int64]]:
    """Rows in parts of at most BLOCK images, with the same share of each class."""
    order = run.rng("parts").permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    count = math.ceil(len(labels) / BLOCK)
    return (order[start::count] for start in range(count))


def _left_out(x: Tensor, targets: Tensor) -> Tensor:
    """Errors (n, K) of networks on rows (n, d), each fitted without the image that it judges."""
    x = x - x.mean(0)
    gram = (x @ x.T).cpu().double()
    gram /= gram.diagonal().mean().clamp(min=1e-12)
    strength, axes = torch.linalg.eigh(gram)
    turned = axes.T @ targets

    def errors(decay: float) -> Tensor:
        kept = strength.clamp(min=0) / (strength + decay)
        own = axes.square() @ kept + 1 / len(x)  # what an image says of itself
        return (targets - axes @ (kept[:, None] * turned)) / (1 - own)[:, None]

    return min(map(errors, DECAYS), key=lambda found: float(found.square().sum()))


class Simple(nn.Module):
    """A view, one hidden layer and classes (Zhu et al., AAAI 2024, arXiv 2312.08898)."""

    def __init__(self, view: View, inputs: int, classes: int) -> None:
        super().__init__()
        self.view = view
        self.shift = 0.0
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, C, H, W) in [0, 1] to (n, classes)."""
        return self.layers(self.view((x + self.shift) * 255))


def _pixels(x: Tensor) -> Tensor:
    return x / 64 - 2  # of about the size that initial weights are made for


def _strong_detail(x: Tensor) -> Tensor:
    return 4 * detail(x)


def trained(images: ImageSet, run: Run, *, shift: float | None = None) -> dict[str, float]:
    """Train a network with a hidden layer on four fifths, and say how it does on the rest.

    Args:
        images: suspect images.
        run: in float32.
        shift: what is added to the pixels, 0 to 1, while it trains: the bias test. Then it sees
            pixels, otherwise their fine detail.

    Returns:
        `accuracy` on the rest, unshifted, and `early`: of what there is to know about the labels
        of the images that it trains on, the share that it knew after three epochs.
    """
    order = run.rng("held out").permutation(len(images))
    rest, rows = np.sort(order[::HELDOUT]), np.sort(np.delete(order, slice(None, None, HELDOUT)))
    classes = len(images.classes)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(run.seeded("simple").seed)
        view = _strong_detail if shift is None else _pixels
        model = Simple(view, int(np.prod(images.images.shape[1:])), classes)
    model.shift = shift or 0.0
    fitted = fit(model, images.take(rows), schedule=SCHEDULE, run=run)
    model.shift = 0.0
    return {
        "accuracy": accuracy(frozen(model, run.dtype), images.take(rest), run),
        "early": 1 - fitted.curve[EARLY - 1].loss / math.log(classes),
    }
