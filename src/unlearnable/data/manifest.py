"""The manifest of a protection, and whether two are about the same thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unlearnable.errors import SettingError, SourceError


def refuse_another_job(before: dict[str, Any], now: dict[str, Any], private: Path) -> None:
    """Refuse to go on with a run that was about something else.

    Args:
        before: the manifest that the interrupted run left.
        now: that of the run which is to go on.
        private: where it lies.

    Raises:
        SourceError: the images are others.
        SettingError: a setting is another; it is named.
    """
    if before["source_digest"] != now["source_digest"]:
        raise SourceError(
            f"the images are not those of the interrupted run in {private}: restore them, or "
            "choose another destination."
        )
    old, new = _flat(before["settings"]), _flat(now["settings"])
    for key in old | new:
        if old.get(key) != new.get(key):
            raise SettingError(
                f"--resume: the interrupted run had {key}={old.get(key)}, not {new.get(key)}: "
                "give the same settings, or choose another destination."
            )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings within settings under dotted names, such as `budget.size`."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        inner = value if isinstance(value, dict) else None
        flat.update({key: value} if inner is None else {f"{key}.{k}": v for k, v in inner.items()})
    return flat
