"""One line of progress: live on a terminal, now and then a plain one elsewhere."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

LIVE_EVERY, PLAIN_EVERY = 0.1, 10.0  # seconds


class Progress:
    """Hears of progress (`runtime.Tell`) and shows the stage, its share, figures and time left."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.live = out.isatty()
        self.stage = ""
        self.started = self.shown = 0.0
        self.offset = 0.0

    def __call__(self, stage: str, done: float, /, **figures: object) -> None:
        """Show where a stage stands, if the last line is old enough."""
        now = time.monotonic()
        if stage != self.stage:
            self._end_line()
            self.stage, self.started, self.offset, self.shown = stage, now, done, 0.0
        due = now - self.shown >= (LIVE_EVERY if self.live else PLAIN_EVERY)
        if not due and done < 1:
            return
        self.shown = now
        parts = [f"{stage} {done:4.0%}"]
        parts += [f"{name} {_text(value)}" for name, value in figures.items()]
        gained = done - self.offset
        if gained > 0 and done < 1:
            parts.append(f"{_clock((now - self.started) / gained * (1 - done))} left")
        line = " · ".join(parts)
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            self.out.write(f"\r\x1b[K{line[:width]}")
        else:
            self.out.write(f"{line}\n")
        self.out.flush()

    def close(self) -> None:
        """End the live line."""
        self._end_line()

    def _end_line(self) -> None:
        if self.live and self.stage:
            self.out.write("\n")
            self.out.flush()


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
