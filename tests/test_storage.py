from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unlearnable.errors import DamagedError, DestinationError
from unlearnable.storage import (
    locked,
    naming_the_place,
    open_new,
    private_folder,
    read_json,
    replacing,
    sha256_array,
    sha256_file,
    sha256_json,
    write_bytes,
    write_json,
)

HOLD = """
import sys, time
from pathlib import Path
from unlearnable.storage import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
TRY = """
import sys
from pathlib import Path
from unlearnable.storage import locked
with locked(Path(sys.argv[1])):
    pass
"""


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def permissive() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_file_appears_only_when_its_block_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as unfinished:
        unfinished.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), replacing(tmp_path / "file") as unfinished:
        unfinished.write_text("half")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_block_that_fails_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ValueError, match="no"), replacing(path) as unfinished:
        unfinished.write_text("half")
        raise ValueError("no")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_unfinished_file_lies_in_the_scratch_folder(tmp_path: Path) -> None:
    shown, scratch = tmp_path / "shown", tmp_path / "scratch"
    shown.mkdir()
    scratch.mkdir()
    with replacing(shown / "file", scratch=scratch) as unfinished:
        unfinished.write_text("new")
        assert list(shown.iterdir()) == []
        assert list(scratch.iterdir()) == [unfinished]
    assert (shown / "file").read_text() == "new"
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "no space is left for .*file: free some"),
        (errno.EDQUOT, "no space is left for .*file: free some"),
        (errno.EACCES, r"file cannot be written \(Permission denied\): choose another"),
        (errno.EROFS, "file cannot be written .*: choose another destination"),
    ],
)
def test_a_refusal_of_the_system_becomes_one_sentence(
    tmp_path: Path, number: int, sentence: str
) -> None:
    with (
        pytest.raises(DestinationError, match=sentence) as refusal,
        replacing(tmp_path / "file") as unfinished,
    ):
        unfinished.write_text("half")
        raise OSError(number, os.strerror(number))
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_system_are_left_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="input/output"), naming_the_place(tmp_path):
        raise OSError(errno.EIO, "input/output")


@pytest.mark.parametrize("name", ["file/below", "missing/below", "folder"])
def test_a_place_that_cannot_hold_a_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DestinationError, match=f"{name} cannot be written"):
        write_bytes(tmp_path / name, b"new")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


@pytest.mark.usefixtures("permissive")
def test_a_private_file_is_its_owners_alone_at_every_moment(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path, private=True) as unfinished, open_new(unfinished, private=True) as file:
        assert mode(unfinished) == 0o600
        file.write(b"new")
    assert mode(path) == 0o600


@pytest.mark.usefixtures("permissive")
def test_a_private_file_is_its_owners_alone_whoever_wrote_it(tmp_path: Path) -> None:
    with replacing(tmp_path / "file", private=True) as unfinished:
        unfinished.write_text("new")
    assert mode(tmp_path / "file") == 0o600


@pytest.mark.usefixtures("permissive")
def test_private_writers_make_private_files(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"", private=True)
    write_json(tmp_path / "b", {}, private=True)
    write_bytes(tmp_path / "c", b"")
    assert [mode(tmp_path / name) for name in "abc"] == [0o600, 0o600, 0o666]


@pytest.mark.usefixtures("permissive")
def test_a_private_folder_is_its_owners_alone(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    assert mode(private_folder(there)) == 0o700
    assert mode(private_folder(tmp_path / "new" / "below")) == 0o700


def test_a_private_folder_where_a_file_lies_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DestinationError, match="file cannot be written"):
        private_folder(tmp_path / "file")


@pytest.mark.parametrize("content", [{"a": [1, 2.5, None, True]}, "ε δ θ", "\udcff.png", []])
def test_json_reads_back_as_it_was_written(tmp_path: Path, content: Any) -> None:
    write_json(tmp_path / "file.json", content)
    assert read_json(tmp_path / "file.json") == content


def test_long_json_is_written_piece_by_piece(tmp_path: Path) -> None:
    files = [{"name": f"{number:06}", "psnr": number / 3} for number in range(20_000)]
    tracemalloc.start()
    try:
        write_json(tmp_path / "long.json", files)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.2 * (tmp_path / "long.json").stat().st_size
    assert read_json(tmp_path / "long.json") == files


def test_json_that_no_other_reader_would_take_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", float("nan"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"a": 1'])
def test_damaged_json_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(DamagedError, match=r"file\.json is damaged"):
        read_json(tmp_path / "file.json")


def test_missing_json_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match=r"file\.json is missing"):
        read_json(tmp_path / "file.json")


def test_a_second_holder_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    refused = pytest.raises(DestinationError, match="another run is writing to")
    with locked(tmp_path), refused, locked(tmp_path):
        raise AssertionError("two hold it")
    with locked(tmp_path):
        pass


def test_a_lock_falls_when_its_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), locked(tmp_path):
        raise ValueError("no")
    with locked(tmp_path):
        pass


def test_a_lock_holds_against_other_processes_and_falls_with_a_killed_one(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DestinationError, match="another run is writing to"), locked(tmp_path):
            raise AssertionError("two hold it")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with locked(tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", TRY, str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert other.returncode == 1
    assert "another run is writing to" in other.stderr


def test_a_file_has_the_hash_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_file(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


BASE = np.arange(12, dtype=np.int16).reshape(3, 4)


@pytest.mark.parametrize(
    "other",
    [
        BASE.astype(np.uint16),
        BASE.astype(">i2"),
        BASE.astype(np.int32),
        BASE.reshape(4, 3),
        BASE.reshape(3, 4, 1),
        BASE + np.eye(3, 4, dtype=np.int16),
        BASE[::-1],
        BASE[:2],
    ],
)
def test_the_hash_of_an_array_depends_on_type_shape_and_values(other: NDArray[Any]) -> None:
    assert sha256_array(BASE) != sha256_array(other)


def test_the_hash_of_an_array_does_not_depend_on_how_it_lies_in_memory() -> None:
    spread = np.zeros((3, 8), np.int16)
    spread[:, ::2] = BASE
    assert (
        sha256_array(BASE) == sha256_array(np.asfortranarray(BASE)) == sha256_array(spread[:, ::2])
    )


def test_the_hash_of_several_arrays_depends_on_their_order_and_borders() -> None:
    assert sha256_array(BASE, BASE[:1]) != sha256_array(BASE[:1], BASE)
    assert sha256_array(BASE[:1], BASE[1:]) != sha256_array(BASE[:2], BASE[2:])


def test_the_hash_of_an_array_does_not_depend_on_chunks() -> None:
    large = np.zeros((5, (1 << 22) + 1), np.uint8)
    large[3, -1] = 1
    digest = hashlib.sha256(f"{large.dtype.str}{large.shape}".encode())
    digest.update(large)
    assert sha256_array(large) == digest.hexdigest()


def test_the_hash_of_json_does_not_depend_on_the_order_of_keys() -> None:
    assert sha256_json({"a": 1, "b": [2]}) == sha256_json({"b": [2], "a": 1})
    assert sha256_json({"a": 1, "b": [2]}) != sha256_json({"a": 1, "b": ["2"]})
    assert sha256_json([1, 2]) != sha256_json([2, 1])
