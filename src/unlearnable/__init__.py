"""Protect images from being learnt, and prove how far the protection reaches.

The public names are loaded on first use, so that importing the package never loads torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from unlearnable.applying import apply as apply
    from unlearnable.applying import remove as remove
    from unlearnable.auditing import Audit as Audit
    from unlearnable.auditing import audit as audit
    from unlearnable.countermeasures import COUNTERMEASURES as COUNTERMEASURES
    from unlearnable.data.encoding import Writing as Writing
    from unlearnable.data.imageset import ImageSet as ImageSet
    from unlearnable.data.sources import open_images as open_images
    from unlearnable.detecting import Detection as Detection
    from unlearnable.detecting import detect as detect
    from unlearnable.errors import UnlearnableError as UnlearnableError
    from unlearnable.job import Protection as Protection
    from unlearnable.keys import inspect as inspect
    from unlearnable.methods import METHODS as METHODS
    from unlearnable.methods.em import ErrorMinimizing as ErrorMinimizing
    from unlearnable.methods.error_maximizing import ErrorMaximizing as ErrorMaximizing
    from unlearnable.methods.random import RandomNoise as RandomNoise
    from unlearnable.noise import Budget as Budget
    from unlearnable.noise import Noise as Noise
    from unlearnable.protecting import protect as protect
    from unlearnable.released import import_released as import_released
    from unlearnable.runtime import Run as Run

_HOMES = {
    "COUNTERMEASURES": "countermeasures",
    "METHODS": "methods",
    "Audit": "auditing",
    "Budget": "noise",
    "Detection": "detecting",
    "ErrorMaximizing": "methods.error_maximizing",
    "ErrorMinimizing": "methods.em",
    "ImageSet": "data.imageset",
    "Noise": "noise",
    "Protection": "job",
    "RandomNoise": "methods.random",
    "Run": "runtime",
    "UnlearnableError": "errors",
    "Writing": "data.encoding",
    "apply": "applying",
    "audit": "auditing",
    "detect": "detecting",
    "import_released": "released",
    "inspect": "keys",
    "open_images": "data.sources",
    "protect": "protecting",
    "remove": "applying",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
