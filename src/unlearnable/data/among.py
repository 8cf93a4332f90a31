"""One person's photos as one class among the classes of a background."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from unlearnable.data.gather import Reading, decoded
from unlearnable.data.imageset import ImageSet
from unlearnable.data.photos import photos_in
from unlearnable.errors import SettingError, SourceError


def among(
    photos: Path | str, name: str, background: ImageSet, *, skip_unreadable: bool = False
) -> ImageSet:
    """The images of a background, and behind them the photos below a folder as one more class.

    Args:
        photos: a folder of photos at any depth, or one photo.
        name: what their class is called.
        background: the other classes; its working size is the photos' too.
        skip_unreadable: leave out, and list, photos that cannot be read.

    Raises:
        SettingError: the background has a class of that name already, or is not square.
        SourceError: there are no photos, or one cannot be read.
    """
    height, width = background.size
    if name in background.classes:
        raise SettingError(
            f"--as {name}: the background has a class of that name already: choose another, or "
            "move that class away."
        )
    if height != width:
        raise SettingError(
            f"the background has images of {width}×{height}: give both one square --size."
        )
    origins = [photo.origin for photo in photos_in([photos])]
    reading = Reading(height, skip_unreadable)
    mine = decoded(origins, [0] * len(origins), [name], reading, source=str(photos))
    if len(mine) == 0:
        raise SourceError(f"{photos} holds no photo that can be read.")
    channels = max(mine.channels, background.channels)
    joined = background.with_channels(channels).joined(mine.with_channels(channels))
    return replace(joined, skipped=(*background.skipped, *mine.skipped), resized=True)
