"""A key: finished noise with what it belongs to, and what can be said and shown of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.folder import MANIFEST
from unlearnable.data.photos import Photo
from unlearnable.errors import DamagedError, DestinationError, SettingError, unknown
from unlearnable.noise import MIDDLE, Noise
from unlearnable.report.pictures import amplified, sheet
from unlearnable.storage import kind_at, read_json, write_bytes

SHOWN = 30


@dataclass(frozen=True, eq=False)
class Key:
    """Noise with what it belongs to.

    Attributes:
        file: the noise file.
        noise: its values, memory-mapped.
        manifest: of the folder that it was found for, if it lies in such a `.private` folder.
    """

    file: Path
    noise: Noise
    manifest: dict[str, Any] | None

    @classmethod
    def open(cls, path: Path | str) -> Key:
        """Open a `.private` folder, or a noise file.

        Raises:
            DamagedError: it is missing, damaged, or no noise of this library.
        """
        path = Path(path).expanduser()
        file = path / "noise.npy" if kind_at(path) == "folder" else path
        noise = Noise.load(file)
        manifest = file.parent / MANIFEST
        beside = file.name == "noise.npy" and manifest.exists()
        return cls(file, noise, read_json(manifest) if beside else None)

    @cached_property
    def classes(self) -> dict[str, int]:
        """The classes that have noise, with their rows; none if each image has its own."""
        if self.noise.form == "sample-wise":
            return {}
        names = self.noise.made_by.get("classes") or [str(row) for row in range(len(self.noise))]
        if len(names) != len(self.noise):
            raise DamagedError(f"{self.file} names {len(names)} classes for {len(self.noise)}.")
        return {name: row for row, name in enumerate(names) if np.any(self.noise.values[row])}

    @cached_property
    def published(self) -> dict[str, tuple[int, int]]:
        """The files that were published with it, by hash: their places and largest changes."""
        listed = enumerate((self.manifest or {}).get("files", ()))
        return {file["sha256"]: (place, file["change"]) for place, file in listed}

    def row_of(self, photo: Photo, chosen: str | None) -> int:
        """The row that a photo takes: of the class that is named, or else of its folder.

        Raises:
            SettingError: the key has no such class, or none is named and there are several.
        """
        known = self.classes
        if chosen is not None:
            if chosen not in known:
                raise unknown("class", chosen, known)
            return known[chosen]
        if len(known) == 1:
            return next(iter(known.values()))
        for name in photo.folders:
            if name in known:
                return known[name]
        raise SettingError(
            f"{photo.file} lies in no folder with the name of a class of this key: name the "
            f"class by --class, one of {', '.join(known)}."
        )

    def change(self, row: int, colours: NDArray[np.uint8]) -> NDArray[np.int16]:
        """What a row adds to colours (H, W, 1 or 3), before pixels are clipped.

        Where even parts of a picture get less, how even they were is guessed from the colours.
        """
        if self.noise.budget.norm == "none" or self.noise.budget.size >= MIDDLE:
            raise SettingError(
                f"{self.file} has a budget of {self.noise.budget}: only noise of less than "
                f"{MIDDLE} levels can be taken off."
            )
        grey = np.full(colours.shape, MIDDLE, np.uint8)
        within = self.noise.within(colours)
        return self.noise.add_to(grey, row, within=within).astype(np.int16) - MIDDLE


def inspect(key: Path | str) -> dict[str, Any]:
    """What a key is, ready for JSON: form, budget, size, classes, method, how much it protected.

    Raises:
        DamagedError: it is missing, damaged, or no noise of this library.
    """
    opened = Key.open(key)
    noise = opened.noise
    settings = noise.made_by.get("settings", {})
    height, width = noise.values.shape[2:]
    return {
        "key": str(opened.file),
        "form": noise.form,
        "budget": asdict(noise.budget),
        "size": [height, width],
        "noises": len(noise),
        "classes": list(opened.classes),
        "method": settings.get("method"),
        "seed": settings.get("seed"),
        "unlearnable": noise.made_by.get("unlearnable"),
        "published": len(opened.published),
        "largest": max(int(noise.values.max()), -int(noise.values.min())),
    }


def write_picture(key: Path | str, file: Path) -> None:
    """Write a PNG, private, of the first `SHOWN` noises of a key, ten times as strong.

    Raises:
        DestinationError: the file is there already, or cannot be written.
    """
    if file.exists():
        raise DestinationError(f"{file} is there already: name another.")
    opened = Key.open(key)
    rows = opened.classes or {str(row + 1): row for row in range(len(opened.noise))}
    shown = dict(list(rows.items())[:SHOWN])
    _, channels, height, width = opened.noise.values.shape
    grey = np.full((height, width, channels), MIDDLE, np.uint8)
    everywhere = np.ones((height, width), np.float32)
    tiles = [
        amplified(grey, opened.noise.add_to(grey, row, within=everywhere)) for row in shown.values()
    ]
    write_bytes(file, sheet(tiles, list(shown)), private=True)
