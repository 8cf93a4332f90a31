import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

# Tests are many and tiny: one thread each is faster, here and in the commands that they start.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The draws of torch begin anew, so that no test hangs on those that ran before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> str:
    """The processor, and the GPU where there is one."""
    import torch  # late: it reads the number of threads

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    return str(request.param)


def draw(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def pixels() -> Callable[..., NDArray[np.uint8]]:
    """Random pixels of a shape: `pixels(16, 16, 3, seed=1)`."""
    return draw


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Write a small folder of class folders, its images JPEG and PNG by turns, and name it."""

    def write(
        name: str = "photos",
        classes: Sequence[str] = ("cat", "dog"),
        each: int = 2,
        size: tuple[int, int] = (16, 16),
        suffixes: Sequence[str] = (".jpg", ".png"),
    ) -> Path:
        for label, kind in enumerate(classes):
            (tmp_path / name / kind).mkdir(parents=True)
            for number in range(each):
                file = tmp_path / name / kind / f"{number}{suffixes[number % len(suffixes)]}"
                Image.fromarray(draw(*size, 3, seed=100 * label + number)).save(file)
        return tmp_path / name

    return write


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address under which this machine serves `tmp_path` to itself."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()
