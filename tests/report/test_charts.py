from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from unlearnable.report.charts import (
    Curve,
    Mark,
    apart,
    axis_over,
    bars,
    curves,
    dots,
    heat,
    verdict_bar,
)
from unlearnable.report.svg import Axis

AXIS = Axis(0, 1)


def test_a_dot_stands_at_its_value_and_its_line_covers_the_interval() -> None:
    drawing = ET.fromstring(dots("gray", [Mark("protected", 0, 0.3, 0.2, 0.45)], AXIS))
    line = next(line for line in drawing.iter("line") if "interval" in line.get("class", ""))
    assert (line.get("x1"), line.get("x2")) == ("20.0%", "45.0%")
    assert (
        next(
            drawing.iter(
                "svg",
            )
        ).get("role")
        == "img"
    )
    assert [place.get("x") for place in drawing.findall("svg")] == ["30.00%"]
    assert drawing.findtext("desc") == "protected 0.30 (0.20 to 0.45)"


def test_what_is_not_known_has_no_dot_and_says_so() -> None:
    drawing = ET.fromstring(dots("gray", [Mark("random", 2, None)], AXIS))
    assert drawing.findall("svg") == []
    assert drawing.findtext("text") == "random: not known"


def test_an_axis_has_room_for_every_interval_and_an_end() -> None:
    axis = axis_over([Mark("a", 0, 0.5, -0.2, 0.6), Mark("b", 1, 1.1, 1.0, 1.3)])
    assert axis.low < -0.2 and axis.high > 1.3
    far = axis_over([Mark("a", 0, 40.0, -30.0, 90.0)])
    assert far.low > -1 and far.high < 2
    assert (far.at(-30), far.at(90)) == (0, 100)


def test_bars_are_as_long_as_accuracies() -> None:
    marks = [Mark("protected", 0, 0.16), Mark("clean", 1, 0.73)]
    drawing = ET.fromstring(bars("accuracy", marks, 0.1))
    assert [bar.get("width") for bar in drawing.iter("rect")] == ["16.00%", "73.00%"]
    assert drawing.findtext("desc") == "protected 16.0 %; clean 73.0 %; chance 10.0 %"


@pytest.mark.parametrize(("value", "left", "width"), [(0.25, 0, 25), (1.0, 0, 100)])
def test_the_bar_of_the_verdict_reaches_from_0_to_its_value(
    value: float, left: float, width: float
) -> None:
    drawing = ET.fromstring(verdict_bar(Mark("learnability", 0, value, value, value)))
    filled = next(bar for bar in drawing.iter("rect") if bar.get("class") == "filled")
    assert filled.get("x") == f"{left:.1f}%" and filled.get("width") == f"{width:.2f}%"


def test_a_curve_goes_through_its_values_and_is_named_at_its_end() -> None:
    lines = [Curve("clean", 1, [0.0, 0.5, 1.0], counts=2), Curve("protected", 0, [0.1, 0.1, 0.1])]
    drawing = ET.fromstring(curves("none", lines, 1.0, percent=True))
    paths = [path.get("d") for path in drawing.iter("path") if "mean" in path.get("class", "")]
    assert paths == ["M0.0 100.0L50.0 50.0L100.0 0.0", "M0.0 90.0L50.0 90.0L100.0 90.0"]
    names = [text for text in drawing.iter("text") if "name" in text.get("class", "")]
    assert [name.text for name in names] == ["clean", "protected"]
    assert [place.get("x") for place in drawing.findall("svg") if place.get("x")] == ["35.00%"]


def test_names_do_not_stand_over_each_other_nor_below_the_chart() -> None:
    placed = apart([90.0, 91.0, 92.0, 93.0], lowest=100)
    assert min(np.diff(placed)) >= 13 and placed[-1] == 100
    assert apart([10.0, 60.0], lowest=100) == [10, 60]


def test_a_heat_map_has_every_share_that_is_not_0_once() -> None:
    shares = np.array([[0.95, 0.05, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    drawing = ET.fromstring(heat("clean", shares))
    squares = {
        tuple(map(int, place)): path.get("opacity")
        for path in drawing.iter("path")
        for place in re.findall(r"M(\d) (\d)", path.get("d", ""))
    }
    assert squares == {(0, 0): "1.0", (1, 0): "0.1", (1, 1): "1.0", (0, 2): "0.5", (2, 2): "0.5"}


def test_texts_are_escaped() -> None:
    text = dots('"<b>&', [Mark("<script>", 0, 0.5)], AXIS)
    assert "<script>" not in text and "<b>" not in text
    assert ET.fromstring(text).findtext("title") == '"<b>&'
