"""What can go wrong, and whose mistake it is.

    UnlearnableError
    ├── SettingError       a name, number or option that is not allowed
    ├── SourceError        images that cannot be used as they are
    ├── DestinationError   a place that cannot be written to
    │   └── BusyError      … because another process is at it
    ├── DamagedError       a file that should be ours and is not, or not whole
    └── MissingExtraError  a library that an optional source or method needs

Each message is one sentence for the person who typed the command: what was given, what is
allowed, what to type instead. The command line prints it and exits with status 2.
"""

from __future__ import annotations

from collections.abc import Iterable


class UnlearnableError(Exception):
    """Anything a user can put right; the message says how."""


class SettingError(UnlearnableError):
    """A name, number or option that is not allowed."""


class SourceError(UnlearnableError):
    """Images that cannot be used as they are."""


class DestinationError(UnlearnableError):
    """A place that cannot be written to."""


class BusyError(DestinationError):
    """A place that another process is writing to."""


class DamagedError(UnlearnableError):
    """A file that should be ours and is not, or is not whole."""


class MissingExtraError(UnlearnableError):
    """A library that is installed only with an extra."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra [{extra}]: pip install 'unlearnable[{extra}]'.")


def unknown(kind: str, given: str, known: Iterable[str]) -> SettingError:
    """The error for a name that is not in a table, with the names that are.

    Example:
        >>> str(unknown("method", "emm", ["em", "random"]))
        "unknown method 'emm': choose one of em, random."
    """
    return SettingError(f"unknown {kind} {given!r}: choose one of {', '.join(known)}.")
