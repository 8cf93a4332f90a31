"""Save and resume a long job, bit for bit.

A checkpoint is one safetensors file: the tensors of the job, and as metadata where it stands and
the settings it ran under. It is replaced whole, so a killed job finds the last one complete.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from unlearnable.errors import DamagedError, DestinationError, SettingError
from unlearnable.storage import replacing


@dataclass(frozen=True)
class Checkpoint:
    """The state of one job in one file.

    Attributes:
        folder: the private folder that holds it; None keeps nothing.
        job: the name of the file.
        settings: what must be the same for the state to be of use.
    """

    folder: Path | None
    job: str
    settings: Mapping[str, Any]

    @property
    def path(self) -> Path | None:
        """Where it lies."""
        return self.folder / f"{self.job}.safetensors" if self.folder else None

    def save(self, tensors: Mapping[str, torch.Tensor], where: Mapping[str, Any]) -> None:
        """Replace the state by `tensors`, and `where` (JSON) the job stands.

        Raises:
            DestinationError: no space is left, or the folder cannot be written to.
        """
        if self.path is None:
            return
        metadata = {"where": json.dumps(where), "settings": self._settings()}
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with replacing(self.path, private=True) as unfinished:
            try:
                save_file(plain, unfinished, metadata)
            except SafetensorError as error:  # its name for a full disk and the like
                raise DestinationError(f"{self.path} cannot be written: {error}.") from error

    def load(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """The state, or None if there is none.

        Raises:
            SettingError: it was saved under other settings.
            DamagedError: it is not a checkpoint of this library.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata()
                where, settings = json.loads(metadata["where"]), metadata["settings"]
                names = file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise DamagedError(f"{self.path} is damaged: delete it to start again.") from error
        if settings != self._settings():
            raise SettingError(
                f"{self.path} was left by a run with other settings: resume it with those, or "
                "choose another destination."
            )
        return tensors, where

    def _settings(self) -> str:
        return json.dumps(self.settings, sort_keys=True)


def pack(prefix: str, state: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """A state dict's tensors under names that begin with `prefix`."""
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def unpack(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors that `pack` put under `prefix`."""
    start = f"{prefix}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
