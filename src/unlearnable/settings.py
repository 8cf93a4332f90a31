"""A dataclass is its own configuration: its fields are checked, parsed and described here.

A method, a countermeasure or a schedule is a frozen dataclass. Each field is declared once, with
its default, its meaning and its bounds; the command line's `--set key=value`, the help, the docs,
the manifest and the id of an audit cell are all read from those fields.

Example:
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Blur:
    ...     radius: int = setting(3, "in pixels", least=1)
    ...     def __post_init__(self) -> None:
    ...         check(self)
    >>> parse(Blur, {"radius": "5"})
    Blur(radius=5)
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from unlearnable.errors import SettingError, unknown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def setting(
    default: Any,
    meaning: str,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
) -> Any:
    """Declare a dataclass field with its meaning and bounds (`above` excludes the bound itself)."""
    bounds = {"least": least, "most": most, "above": above}
    return dataclasses.field(default=default, metadata={"meaning": meaning, **bounds})


def check(instance: Any) -> None:
    """Check every field of a dataclass against its type and bounds; for `__post_init__`.

    Raises:
        SettingError: names the field, what was given and what is allowed.
    """
    hints = get_type_hints(type(instance))
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if not _fits(value, hints[field.name]):
            raise _refusal(instance, field, hints[field.name], value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            _check_bounds(instance, field, hints[field.name], value)


def fill(instance: Any, defaults: Mapping[str, Any]) -> None:
    """Give the fields left at None their defaults, where those hang on other fields."""
    for name, value in defaults.items():
        if getattr(instance, name) is None:
            object.__setattr__(instance, name, value)


def parse(cls: type[T], pairs: Mapping[str, str]) -> T:
    """Make a `cls` from texts such as `{"steps": "20"}`, converting each to its field's type.

    Raises:
        SettingError: an unknown key (the known ones are listed), or a value of the wrong type.
    """
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    values: dict[str, Any] = {}
    for key, text in pairs.items():
        if key not in fields:
            raise unknown("setting", key, fields)
        try:
            values[key] = _convert(text, hints[key])
        except ValueError:
            raise _refusal(cls, fields[key], hints[key], text) from None
    return cls(**values)


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """Split `key=value` texts.

    Raises:
        SettingError: a text without `=`.
    """
    split = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingError(f"--set {text}: write it as key=value, for example steps=20.")
        split[key.strip().replace("-", "_")] = value.strip()
    return split


def apart(text: str, mark: str) -> list[str]:
    """The parts of a text between marks; a mark inside double quotes is no mark.

    Example:
        >>> apart('a:"b:c"', ":")
        ['a', '"b:c"']
    """
    return re.split(rf'{re.escape(mark)}(?=(?:[^"]*"[^"]*")*[^"]*$)', text)


def as_dict(instance: Any) -> dict[str, Any]:
    """The fields of a dataclass, ready for JSON."""
    return {"name": type(instance).__name__, **dataclasses.asdict(instance)}


def meanings(cls: type[Any]) -> list[tuple[str, str, Any]]:
    """Name, meaning and default of each field of `cls`, for help and docs.

    A default that hangs on others is shown as it is filled in when nothing is chosen.
    """
    usual = cls()
    return [
        (field.name, field.metadata.get("meaning", ""), getattr(usual, field.name))
        for field in dataclasses.fields(cls)
    ]


def described(cls: type[Any]) -> dict[str, dict[str, Any]]:
    """The same by name, ready for JSON."""
    return {name: {"meaning": m, "default": default} for name, m, default in meanings(cls)}


def _choices(hint: Any) -> tuple[Any, ...]:
    """The plain types and literal values that a type hint allows."""
    if get_origin(hint) in (types.UnionType, typing.Union):
        return tuple(choice for part in get_args(hint) for choice in _choices(part))
    if get_origin(hint) is Literal:
        return get_args(hint)
    return (hint,)


def _fits(value: Any, hint: Any) -> bool:
    for choice in _choices(hint):
        if choice is type(None) and value is None:
            return True
        if choice is float and type(value) in (int, float):
            return math.isfinite(value)
        if isinstance(choice, type) and type(value) is choice:
            return True
        if not isinstance(choice, type) and type(value) is type(choice) and value == choice:
            return True
    return False


def _convert(text: str, hint: Any) -> Any:
    for choice in _choices(hint):
        if choice is type(None):
            if text.lower() == "none":
                return None
        elif choice is bool:
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
        elif not isinstance(choice, type):
            if text == str(choice):
                return choice
        else:
            try:
                return choice(text)
            except ValueError:
                continue
    raise ValueError(text)


def _allowed(hint: Any) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    parts = []
    for choice in _choices(hint):
        if choice is type(None):
            parts.append("none")
        elif isinstance(choice, type):
            parts.append(words.get(choice, choice.__name__))
        else:
            parts.append(str(choice))
    return " or ".join(parts)


def _refusal(owner: Any, field: Any, hint: Any, given: Any) -> SettingError:
    cls = owner if isinstance(owner, type) else type(owner)
    return SettingError(f"{cls.__name__}: {field.name}={given} is not {_allowed(hint)}.")


def _check_bounds(instance: Any, field: Any, hint: Any, value: float) -> None:
    least, most, above = (field.metadata.get(name) for name in ("least", "most", "above"))
    limits = []
    if above is not None:
        limits.append((value > above, f"above {above}"))
    if least is not None:
        limits.append((value >= least, f"at least {least}"))
    if most is not None:
        limits.append((value <= most, f"at most {most}"))
    if not all(kept for kept, _ in limits):
        allowed = " and ".join(text for _, text in limits)
        raise SettingError(
            f"{type(instance).__name__}: {field.name}={value} is out of range: "
            f"it must be {allowed}."
        )
