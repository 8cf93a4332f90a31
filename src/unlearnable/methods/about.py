"""What is worth knowing of a method before it is chosen, read from its class."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args, get_type_hints

from unlearnable.noise import Budget, Form, Norm

if TYPE_CHECKING:
    from unlearnable.methods import Method


@dataclass(frozen=True)
class About:
    """A method in words.

    Attributes:
        title: the first line of its docstring.
        forms, norms: those that it has.
        published: the budget that it was published with.
        surrogate: whether it needs one.
        cost: what it takes, and what its quick settings leave out.
        source: the paper.
    """

    title: str
    forms: tuple[Form, ...]
    norms: tuple[Norm, ...]
    published: Budget
    surrogate: bool
    cost: str
    source: str


def about(method: type[Method]) -> About:
    """What the class of a method says of itself.

    Example:
        >>> from unlearnable.methods import METHODS
        >>> about(METHODS["ops"]).published.words
        'L0 1'
    """
    text = inspect.getdoc(method) or ""
    paragraph = text.partition("Cost: ")[2].partition("\n\n")[0]
    hint = get_type_hints(method)["form"]
    return About(
        title=text.partition("\n")[0],
        forms=get_args(hint),
        norms=method.norms,
        published=method.published,
        surrogate=method().passes(1000) > 0,
        cost=" ".join(paragraph.split()),
        source=method.source,
    )
