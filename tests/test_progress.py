from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from unlearnable.progress import Progress

Advance = Callable[[float], None]


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Advance:
    """Moves a clock that stands still otherwise."""
    now = [1000.0]
    monkeypatch.setattr("unlearnable.progress.time.monotonic", lambda: now[0])

    def by(seconds: float) -> None:
        now[0] += seconds

    return by


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    return out


def test_without_a_terminal_lines_are_plain_and_now_and_then(advance: Advance) -> None:
    out = io.StringIO()
    progress = Progress(out)
    for second in range(60):
        progress("train", second / 60, epoch=second)
        advance(1)
    progress("train", 1.0, epoch=60)
    progress.close()
    text = out.getvalue()
    assert "\r" not in text
    assert "\x1b" not in text
    lines = text.splitlines()
    assert [line.split(" · ")[1] for line in lines] == [f"epoch {e}" for e in range(0, 61, 10)]
    assert lines[0].startswith("train   0%")
    assert lines[-1].startswith("train 100%")


def test_on_a_terminal_one_line_is_written_over(advance: Advance, terminal: io.StringIO) -> None:
    progress = Progress(terminal)
    for step in range(5):
        progress("train", step / 4)
        advance(1)
    progress.close()
    text = terminal.getvalue()
    assert text.count("\r") == 5
    assert text.count("\n") == 1
    assert text.endswith("100%\n")


def test_a_terminal_is_not_written_to_more_often_than_one_can_read(
    advance: Advance, terminal: io.StringIO
) -> None:
    progress = Progress(terminal)
    for step in range(1000):
        progress("train", step / 1000)
        advance(0.001)
    assert 9 <= terminal.getvalue().count("\r") <= 11


def test_a_line_fits_the_terminal(terminal: io.StringIO) -> None:
    Progress(terminal)("train", 0.5, cell="long " * 40)
    assert len(terminal.getvalue().removeprefix("\r\x1b[K")) == 59


def test_a_new_stage_begins_a_new_line_at_once(advance: Advance, terminal: io.StringIO) -> None:
    progress = Progress(terminal)
    progress("search", 0.2)
    advance(0.01)
    progress("write", 0.0)
    first, second = terminal.getvalue().split("\n")
    assert "search  20%" in first
    assert "write   0%" in second


@pytest.mark.parametrize(("start", "seconds", "left"), [(0.0, 30, "1:30"), (0.125, 300, "30:00")])
def test_the_time_left_is_reckoned_from_what_this_run_has_done(
    advance: Advance, start: float, seconds: float, left: str
) -> None:
    out = io.StringIO()
    progress = Progress(out)
    progress("train", start)
    advance(seconds)
    progress("train", 0.25)
    first, second = out.getvalue().splitlines()
    assert "left" not in first
    assert f" · {left} left" in second


def test_figures_are_shown_short() -> None:
    out = io.StringIO()
    Progress(out)("train", 1.0, loss=0.123456, epoch=3, error="2.0%")
    assert out.getvalue() == "train 100% · loss 0.123 · epoch 3 · error 2.0%\n"


def test_nothing_is_shown_of_nothing(terminal: io.StringIO) -> None:
    Progress(terminal).close()
    assert terminal.getvalue() == ""
