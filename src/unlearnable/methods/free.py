"""What methods share that need no surrogate."""

from __future__ import annotations

from unlearnable.settings import check


class WithoutSurrogate:
    """A method that draws or computes its noise; a dataclass whose settings are checked."""

    def __post_init__(self) -> None:
        check(self)

    def passes(self, count: int, share: float = 1) -> float:
        """None: it needs no gradient."""
        return 0
