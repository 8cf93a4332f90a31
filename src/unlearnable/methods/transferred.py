"""Class-wise noise that was found on other images, put on these: Huang et al., ICLR 2021, 4.3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from unlearnable.data.imageset import ImageSet
from unlearnable.errors import SettingError
from unlearnable.noise import Budget, Noise, Norm
from unlearnable.runtime import Run
from unlearnable.settings import check, setting


@dataclass(frozen=True)
class Transferred:
    """Class-wise noise found on another data set (transfer in Huang et al., ICLR 2021), ε 8.

    A class takes the noise of the class with its own name; the classes without one take what is
    left, in the order of both sets, and begin again at the first where there are more of them.

    Cost: none to speak of.

    Example:
        >>> Transferred(noise="imagenet.private").form
        'class-wise'
    """

    published: ClassVar[Budget] = Budget("linf", 8)
    norms: ClassVar[tuple[Norm, ...]] = ("linf",)
    source: ClassVar[str] = "Huang et al., ICLR 2021"

    form: Literal["class-wise"] = setting("class-wise", "always `class-wise`")
    noise: str = setting("", "the private folder, or the noise file, of the other data set")

    def __post_init__(self) -> None:
        check(self)

    def passes(self, count: int, share: float = 1) -> float:
        """None: it needs no gradient."""
        return 0

    def __call__(
        self,
        images: ImageSet,
        budget: Budget,
        *,
        run: Run,
        out: NDArray[np.float32],
        chosen: NDArray[np.bool_] | None = None,
    ) -> dict[str, Any]:
        """Copy the noise of each class; float levels go to `out`.

        Returns:
            Which class each class got its noise from.

        Raises:
            SettingError: no noise was named, or it is not class-wise.
            DamagedError: it cannot be read.
        """
        if not self.noise:
            raise SettingError("which noise? --set noise=OTHER.private names it.")
        noise = Noise.load(Path(self.noise).expanduser())
        if noise.form != "class-wise":
            raise SettingError(f"{self.noise} holds a noise for each image: give a class-wise one.")
        names = list(noise.made_by.get("classes", [])) or [str(k) for k in range(len(noise))]
        rows = _matched(images.classes, names)
        for place, row in enumerate(rows):
            levels = noise.at(row, *images.size)
            out[place] = levels if len(levels) == out.shape[1] else levels.mean(0, keepdims=True)
        return {"from": {name: names[row] for name, row in zip(images.classes, rows, strict=True)}}


def _matched(classes: tuple[str, ...], names: list[str]) -> list[int]:
    """The row of each class's noise."""
    left = [row for row, name in enumerate(names) if name not in classes] or list(range(len(names)))
    nameless = [name for name in classes if name not in names]
    given = {name: left[place % len(left)] for place, name in enumerate(nameless)}
    return [names.index(name) if name in names else given[name] for name in classes]
