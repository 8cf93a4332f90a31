"""Where and how a computation runs: device, precision, seed, progress, and a place for its state.

Nothing else in the library asks torch about the hardware.
"""

from __future__ import annotations

import ctypes
import hashlib
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from unlearnable.errors import SettingError, unknown

KINDS = ("cpu", "cuda", "mps")
MALLOC = {
    "M_MMAP_THRESHOLD": (-3, 1 << 25),  # the most that glibc takes
    "M_TRIM_THRESHOLD": (-1, 1 << 30),
    "M_TOP_PAD": (-2, 1 << 28),
}
"""Numbers of glibc's `mallopt`, and what they are set to on a CPU, in bytes."""
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Tell(Protocol):
    """Hears how far a stage is: its name, the share done (0 to 1), and figures worth showing."""

    def __call__(self, stage: str, done: float, /, **figures: object) -> None:
        """Hear it."""


def silent(stage: str, done: float, /, **figures: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Run:
    """The circumstances of one computation.

    Attributes:
        device: a torch device name: "cpu", "cuda", "cuda:1", "mps".
        precision: "float32" or "bfloat16", of the arithmetic inside networks.
        seed: what every random draw is derived from.
        tell: hears of progress.
        state: a private folder in which long jobs keep what they need to go on; None keeps nothing.
        cache: one for what several jobs may share; None: each has its own.
    """

    device: str
    precision: str
    seed: int
    tell: Tell = silent
    state: Path | None = None
    cache: Path | None = None

    @classmethod
    def start(
        cls,
        device: str = "auto",
        *,
        seed: int = 0,
        precision: str = "auto",
        tell: Tell = silent,
        state: Path | None = None,
        cache: Path | None = None,
    ) -> Run:
        """Choose the device and the precision, and check that they are there.

        Raises:
            SettingError: an unknown or absent device, or an unknown precision.

        Example:
            >>> Run.start("cpu", precision="float32").dtype
            torch.float32
        """
        if device == "auto":
            device = _best_device()
        if precision == "auto":
            precision = "bfloat16" if _has_bfloat16(_present(device)) else "float32"
        if precision not in PRECISIONS:
            raise unknown("precision", precision, PRECISIONS)
        if device == "cpu":
            _keep_freed_memory()
        return cls(str(_present(device)), precision, seed, tell, state, cache)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the arithmetic inside networks."""
        return PRECISIONS[self.precision]

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on an accelerator."""
        return self.device != "cpu"

    @property
    def threads(self) -> int:
        """How many threads the processor computes with."""
        return torch.get_num_threads()

    @contextmanager
    def on_threads(self, count: int | None) -> Iterator[None]:
        """Compute with so many threads within the block; None leaves them as they are."""
        before = torch.get_num_threads()
        torch.set_num_threads(count or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def generator(self, *purpose: object) -> torch.Generator:
        """A generator on the device for one purpose; the same seed and purpose, the same draws."""
        return torch.Generator(self.device).manual_seed(self._derive(*purpose))

    def rng(self, *purpose: object) -> np.random.Generator:
        """The same for NumPy."""
        return np.random.default_rng(self._derive(*purpose))

    def seeded(self, *purpose: object) -> Run:
        """This run with a seed of its own, derived for one purpose."""
        return replace(self, seed=self._derive(*purpose))

    def part(self, place: int, count: int) -> Run:
        """This run for one of so many like parts of a stage: it tells how far the whole is."""

        def tell(stage: str, done: float, /, **figures: object) -> None:
            self.tell(stage, (place + done) / count, **figures)

        return replace(self, tell=tell)

    def everywhere(self) -> list[Run]:
        """This run on each GPU there is, unless one was named; otherwise itself alone."""
        gpus = torch.cuda.device_count() if self.device == "cuda" else 1
        if gpus < 2:
            return [self]
        return [replace(self, device=f"cuda:{number}") for number in range(gpus)]

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision for training; does nothing in float32."""
        kind = torch.device(self.device).type
        return torch.autocast(kind, self.dtype, enabled=self.precision != "float32")

    def upload(self, images: np.ndarray[Any, np.dtype[np.uint8]]) -> torch.Tensor:
        """uint8 (N, H, W, C) as a tensor (N, C, H, W) on the device, channels last in memory."""
        return torch.from_numpy(np.ascontiguousarray(images)).to(self.device).permute(0, 3, 1, 2)

    def hardware(self) -> dict[str, object]:
        """What this runs on, for manifests and results."""
        name = torch.cuda.get_device_name(self.device) if self.device.startswith("cuda") else ""
        return {
            "device": self.device,
            "name": name or _processor(),
            "threads": self.threads,
            "precision": self.precision,
            "torch": torch.__version__,
        }

    def _derive(self, *purpose: object) -> int:
        text = "/".join(str(part) for part in (self.seed, *purpose))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _keep_freed_memory() -> None:
    """Let glibc keep what tensors free, up to 1 GB, and not hand it back to the system each time.

    Handed back, every activation faults its pages in anew: a tenth of an input gradient's time.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter, size in MALLOC.values():
            libc.mallopt(parameter, size)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _present(name: str) -> torch.device:
    try:
        device = torch.device(name)
        if device.type not in KINDS or str(device).startswith("cpu:"):
            raise RuntimeError(f"{device} is none of {KINDS}")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingError(
            f"the device {name!r} is not to be had here: choose one of auto, cpu"
            f"{', cuda' if torch.cuda.is_available() else ''}."
        ) from error
    return device


def _has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is arithmetic of the hardware, and not emulated at a loss."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        known = torch.cpu.get_capabilities()
        return any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


def _processor() -> str:
    name = torch.cpu.get_capabilities().get("cpu_name")
    return str(name or platform.processor() or platform.machine())
