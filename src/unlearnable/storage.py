"""Files that are whole or absent, folders that are private, locks and hashes."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from unlearnable.errors import BusyError, DamagedError, DestinationError

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
LOCK = "lock"
FULL = (errno.ENOSPC, errno.EDQUOT)
CLOSED = (
    *(errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
)


def kind_at(path: Path) -> Literal["folder", "file"] | None:
    """What lies at a path; nothing also where a text can be no path, on which pathlib raises."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return "folder" if stat.S_ISDIR(mode) else "file"


@contextmanager
def replacing(path: Path, *, scratch: Path | None = None, private: bool = False) -> Iterator[Path]:
    """Give a temporary path to write; rename it to `path` once the block ends without an error.

    Args:
        path: the final name. It appears only when the file is whole.
        scratch: a folder on the same file system for the unfinished file, so that nothing
            unfinished is ever seen beside `path`; by default the folder of `path`.
        private: make the file readable by its owner only.

    Raises:
        DestinationError: no space is left, or the place cannot be written to.
    """
    unfinished = (scratch or path.parent) / f"{secrets.token_hex(8)}.part"
    try:
        with naming_the_place(path):
            yield unfinished
            if private:
                unfinished.chmod(PRIVATE_FILE)
            unfinished.replace(path)
    finally:
        with suppress(OSError):  # where it cannot be written, it cannot be unlinked either
            unfinished.unlink()


@contextmanager
def naming_the_place(path: Path) -> Iterator[None]:
    """Turn the system's refusals to write at `path` into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DestinationError(
                f"no space is left for {path}: free some and run the same command with --resume."
            ) from error
        if error.errno in CLOSED:
            raise DestinationError(
                f"{path} cannot be written ({error.strerror}): choose another destination."
            ) from error
        raise


def write_bytes(
    path: Path, content: bytes, *, scratch: Path | None = None, private: bool = False
) -> None:
    """Write a whole file, or none. A private one is also flushed to the disk."""
    _write(path, [content], scratch=scratch, private=private)


def _write(
    path: Path, pieces: Iterable[bytes], *, scratch: Path | None = None, private: bool
) -> None:
    with (
        replacing(path, scratch=scratch, private=private) as unfinished,
        open_new(unfinished, private=private) as file,
    ):
        file.writelines(pieces)
        file.flush()
        if private:
            os.fsync(file.fileno())


def open_new(path: Path, *, private: bool) -> BinaryIO:
    """Open a new file for writing that, if private, nobody else can read at any moment."""
    mode = PRIVATE_FILE if private else 0o666
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb")


def map_new(path: Path, dtype: Any, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[Any]]:
    """Make a private `.npy` file of zeros and map it into memory, its space on the disk reserved.

    Without that a disk that fills up would end the process, by a signal and without a word.

    Raises:
        OSError: no space is left, or the place cannot be written to; nothing is left there.
    """
    try:
        open_new(path, private=True).close()
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        if hasattr(os, "posix_fallocate"):
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return array


def write_json(path: Path, content: Any, *, private: bool = False) -> None:
    """Write `content` as indented JSON, whole or not at all, and never all of it in memory."""
    encoder = json.JSONEncoder(indent=1, ensure_ascii=False, allow_nan=False)
    # file names that are not UTF-8 arrive as lone surrogates; json.loads reads them back
    pieces = (text.encode("utf-8", "surrogatepass") for text in encoder.iterencode(content))
    _write(path, chain(pieces, [b"\n"]), private=private)


def finite(value: float) -> float | None:
    """A number for JSON, which has no word for what is not a number."""
    return float(value) if math.isfinite(value) else None


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        DamagedError: the file is missing, or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DamagedError(f"{path} is missing.") from error
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: it is not JSON.") from error


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can look into."""
    with naming_the_place(path):
        path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        path.chmod(PRIVATE_FOLDER)
    return path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone; the lock falls with the process, however it ends.

    Raises:
        BusyError: another process holds it.
    """
    lock = FileLock(folder / LOCK, mode=PRIVATE_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BusyError(
            f"another run is writing to {folder}: wait for it, or choose another destination."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def wait_locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone, once no other does."""
    with FileLock(folder / LOCK, mode=PRIVATE_FILE):
        yield


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_array(*arrays: NDArray[Any]) -> str:
    """The SHA-256 of arrays: their types, shapes and values, in order; read in chunks of rows."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        rows = max(1, (1 << 24) // max(1, array[:1].nbytes))
        for first in range(0, len(array), rows):
            digest.update(np.ascontiguousarray(array[first : first + rows]).data)
    return digest.hexdigest()


def sha256_json(content: Any) -> str:
    """The SHA-256 of a value's canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
