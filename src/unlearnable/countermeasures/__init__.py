"""The countermeasures: one file an idea, and this table.

A new one is a frozen dataclass in a file of its own that overrides a hook, and one line here; the
command line, the docs and the contract tests find it through the table.

A name in words: `gray`, `jpeg:10`, `at:8:norm=l2`, and compositions such as `jpeg:10+gray`. What
stands behind a colon is the first setting, or a setting by its name. A value with such a mark in
it stands in double quotes: `pretrained:"C:/weights.safetensors"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from unlearnable.countermeasures.adversarial import AdversarialTraining
from unlearnable.countermeasures.bit_depth import BitDepth
from unlearnable.countermeasures.blur import BilateralBlur, GaussianBlur, MeanBlur, MedianBlur
from unlearnable.countermeasures.contrastive import Contrastive
from unlearnable.countermeasures.cutout import Cutout
from unlearnable.countermeasures.diffusion import Diffusion
from unlearnable.countermeasures.displacement import Displacement
from unlearnable.countermeasures.dvae import DVAE
from unlearnable.countermeasures.early_stopping import EarlyStopping
from unlearnable.countermeasures.fast_autoaugment import FastAutoAugment
from unlearnable.countermeasures.gray import Gray
from unlearnable.countermeasures.jpeg import JPEG
from unlearnable.countermeasures.key_estimate import KeyEstimate
from unlearnable.countermeasures.mixing import CutMix, Mixup
from unlearnable.countermeasures.policies import RandAugment, TrivialAugment
from unlearnable.countermeasures.pretrained import Pretrained
from unlearnable.countermeasures.projection import Projection
from unlearnable.countermeasures.refit import Refit
from unlearnable.countermeasures.resize import Resize
from unlearnable.countermeasures.screenshot import Screenshot
from unlearnable.countermeasures.simclr import SimCLR
from unlearnable.countermeasures.ueraser import UEraser
from unlearnable.countermeasures.uniform import Uniform
from unlearnable.countermeasures.webp import WebP
from unlearnable.errors import SettingError, unknown
from unlearnable.hooks import NOTHING, Countermeasure, Together
from unlearnable.settings import apart, as_dict, parse
from unlearnable.storage import sha256_file

COUNTERMEASURES: dict[str, type[Countermeasure]] = {
    # on stored images
    "gray": Gray,
    "jpeg": JPEG,
    "webp": WebP,
    "bit-depth": BitDepth,
    "gaussian": GaussianBlur,
    "mean": MeanBlur,
    "median": MedianBlur,
    "bilateral": BilateralBlur,
    "resize": Resize,
    "screenshot": Screenshot,
    "uniform": Uniform,
    "projection": Projection,
    "key-estimate": KeyEstimate,
    "dvae": DVAE,
    "diffusion": Diffusion,
    # in the batch
    "cutout": Cutout,
    "mixup": Mixup,
    "cutmix": CutMix,
    "randaugment": RandAugment,
    "trivialaugment": TrivialAugment,
    "fast-autoaugment": FastAutoAugment,
    "coin": Displacement,
    "contrastive": Contrastive,
    # in the loss, and at the start, the choice and the end of a training
    "ueraser": UEraser,
    "at": AdversarialTraining,
    "pretrained": Pretrained,
    "simclr": SimCLR,
    "early-stopping": EarlyStopping,
    "refit": Refit,
}

QUICK = ("none", "gray", "jpeg:10")
STANDARD = (
    *QUICK,
    *("bit-depth:2", "gaussian", "projection", "cutout", "mixup", "cutmix", "ueraser:lite"),
    *("early-stopping", "refit", "at:8"),
)
WEB = (
    "none",
    *("jpeg:95", "jpeg:75", "jpeg:50", "jpeg:30", "webp:80", "resize:0.5", "screenshot:1.25"),
)
"""What happens to a picture on its way to a trainer, who need not know of it; as Pillow writes
JPEG, its colour has half the resolution (4:2:0)."""
MARKS = ":+,="
"""What a value in a name has only inside double quotes."""
NEEDS_FILES = ("diffusion", "pretrained")
SETS: dict[str, tuple[str, ...]] = {
    "quick": QUICK,
    "standard": STANDARD,
    "web": WEB,
    "all": ("none", *(name for name in COUNTERMEASURES if name not in NEEDS_FILES)),
}
"""Names for several at once; `all` is every one that needs no file of the user's."""


@dataclass(frozen=True)
class Named:
    """A countermeasure or a composition, with the name that says all its settings.

    Attributes:
        name: as in `jpeg:10+gray`; the same settings give the same name.
        does: the hooks.
        settings: of each part, with the hashes of the files that it reads, ready for JSON.
    """

    name: str
    does: Countermeasure
    settings: tuple[dict[str, Any], ...]


def make_countermeasure(text: str) -> Named:
    """A countermeasure by its name, or several joined by `+`.

    Raises:
        SettingError: an unknown name or setting, a value that does not fit, or parts that cannot
            be composed.

    Example:
        >>> make_countermeasure("jpeg+gray").name
        'jpeg:10+gray'
    """
    if text == "none":
        return Named("none", NOTHING, ())
    names, parts = zip(*(_part(part.strip()) for part in apart(text, "+")), strict=True)
    does = parts[0] if len(parts) == 1 else Together(parts)
    return Named("+".join(names), does, tuple(map(_settings, parts)))


def make_countermeasures(texts: Sequence[str]) -> list[Named]:
    """Several, each once, in order; a name of `SETS` stands for all in it.

    Raises:
        SettingError: as `make_countermeasure`.
    """
    spelt = [name for text in texts for name in SETS.get(text, (text,))]
    made = [make_countermeasure(text) for text in spelt]
    return list({one.name: one for one in made}.values())


def _part(text: str) -> tuple[str, Countermeasure]:
    name, *values = apart(text, ":")
    if name not in COUNTERMEASURES:
        raise unknown("countermeasure", name, ["none", *COUNTERMEASURES, *SETS])
    cls = COUNTERMEASURES[name]
    order = [field.name for field in fields(cls)]
    pairs: dict[str, str] = {}
    for place, value in enumerate(values):
        *key, rest = apart(value, "=")
        if len(key) > 1 or not (key or (place == 0 and order)):
            raise SettingError(
                f"countermeasure {text!r}: {value!r} is no setting; write it as key=value, "
                f"of {', '.join(order) or 'which there are none'}, or put a value that has "
                "such marks in double quotes."
            )
        pairs[key[0] if key else order[0]] = rest.strip('"')
    part = parse(cls, pairs)
    return _spelt(name, part), part


def _settings(part: Countermeasure) -> dict[str, Any]:
    files = {str(file): sha256_file(file) for file in part.files if file.is_file()}
    return {**as_dict(part), **({"files": files} if files else {})}


def _spelt(name: str, part: Countermeasure) -> str:
    """The name with the first setting, and those others that are not the usual."""
    words = [name]
    for place, field in enumerate(fields(part)):
        value = getattr(part, field.name)
        text = f'"{value}"' if any(mark in str(value) for mark in MARKS) else str(value)
        if place == 0:
            words.append(text)
        elif value != field.default:
            words.append(f"{field.name}={text}")
    return ":".join(words)
