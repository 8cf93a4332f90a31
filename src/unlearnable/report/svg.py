"""Small drawings as SVG, to stand within a page whose style sheet gives them colours.

Across, places are in per cent, down, in pixels, so a drawing fits a phone and its text stays as
large as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from markupsafe import Markup

SHAPES = (
    "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "M-4.5-4.5h9v9h-9z",
    "M0-6 6 4.5h-12z",
    "M0-6.5 6.5 0 0 6.5-6.5 0z",
    "M-5-2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
)
"""Circle, square, triangle, diamond, cross: a style differs by more than its colour."""


@dataclass(frozen=True)
class Axis:
    """A range of values, laid along 100 per cent."""

    low: float = 0.0
    high: float = 1.0
    ticks: tuple[float, ...] = (0, 0.25, 0.5, 0.75, 1)

    def at(self, value: float) -> float:
        """Where a value lies, in per cent; what is beyond an end is at the end."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)


class Drawing:
    """An SVG with a title and a description for those who do not see it.

    Args:
        title, description: what is drawn, and its figures; without a title it is hidden from
            readers, because what it shows is said elsewhere.
        height: in pixels; None for a drawing that takes the shape of its `viewBox`.
    """

    def __init__(self, title: str, description: str, height: int | None) -> None:
        self.root = ET.Element("svg", {"width": "100%"})
        if height is not None:
            self.root.set("height", str(height))
        if not title:
            self.root.set("aria-hidden", "true")
            return
        self.root.set("role", "img")
        self.add("title").text = title
        self.add("desc").text = description

    def add(self, tag: str, style: str = "", /, **attributes: object) -> ET.Element:
        """Add an element; an attribute's `_` stands for `-`."""
        named = {key.replace("_", "-"): str(value) for key, value in attributes.items()}
        return ET.SubElement(self.root, tag, {"class": style, **named} if style else named)

    def upright(self, style: str, x: float, top: float, bottom: float) -> None:
        """A vertical line."""
        self.add("line", style, x1=f"{x}%", x2=f"{x}%", y1=top, y2=bottom)

    def level(self, style: str, left: float, right: float, y: float) -> None:
        """A horizontal line."""
        self.add("line", style, x1=f"{left}%", x2=f"{right}%", y1=y, y2=y)

    def grid(self, axis: Axis, height: int) -> None:
        """A vertical line at each tick."""
        for tick in axis.ticks:
            self.upright("grid", axis.at(tick), 0, height)

    def bar(self, style: str, left: float, right: float, top: int, height: int) -> None:
        """A filled rectangle."""
        width = f"{right - left:.2f}%"
        self.add("rect", style, x=f"{left}%", y=top, width=width, height=height)

    def text(
        self, words: str, x: float, y: float, style: str = "", *, dx: int = 0, end: bool = False
    ) -> None:
        """A line of text that begins at `x`, or ends there."""
        anchor = "end" if end else "start"
        self.add("text", style, x=f"{x}%", y=y, dx=dx, text_anchor=anchor).text = words

    def shape(self, style: int, x: float, y: float) -> None:
        """The mark of a style, about a point."""
        place = self.add("svg", x=f"{x:.2f}%", y=y, overflow="visible")
        d = SHAPES[style % len(SHAPES)]
        ET.SubElement(place, "path", {"d": d, "class": f"arm arm-{style}"})

    def paths(self, width: int, top: int, height: int, lines: Sequence[tuple[str, str]]) -> None:
        """Curves of a style each, their path in per cent both ways, stretched over a field."""
        field = self.add("svg", viewBox="0 0 100 100", preserveAspectRatio="none", y=top)
        field.attrib |= {"width": f"{width}%", "height": str(height)}
        for style, d in lines:
            ET.SubElement(field, "path", {"d": d, "class": style})

    def markup(self) -> Markup:
        """The drawing as HTML; texts are escaped."""
        return Markup(ET.tostring(self.root, encoding="unicode"))
