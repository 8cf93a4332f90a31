import os
import pickle
import tarfile
from dataclasses import replace
from hashlib import md5

import numpy as np
import pytest

from unlearnable.data.cifar import LAYOUTS, read_cifar
from unlearnable.data.sources import open_images
from unlearnable.errors import DamagedError, SourceError

NAMES = {name: [f"{name}-{i}" for i in range(10)] for name in LAYOUTS}


def batch(number, seed=0):
    planes = np.random.default_rng([seed, number]).integers(0, 256, (2, 3072), dtype=np.uint8)
    return planes, np.array([2 * number, 2 * number + 1]) % 10


def batches(name, train):
    """File names of either version, with what they hold: planes and labels."""
    layout = LAYOUTS[name]
    binary = layout.binary_train if train else [layout.binary_test]
    python = layout.python_train if train else [layout.python_test]
    for number, files in enumerate(zip(binary, python, strict=True)):
        if name == "cifar100":
            planes, _ = batch(0, seed=train)
            yield files, np.repeat(planes, 5, axis=0), np.arange(10)
        else:
            yield files, *batch(number, seed=train)


def write_binary(folder, name):
    layout = LAYOUTS[name]
    place = folder / layout.binary
    place.mkdir(parents=True)
    (place / layout.names).write_text("\n".join(NAMES[name]) + "\n\n")
    for train in (True, False):
        for (file, _), planes, labels in batches(name, train):
            columns = [labels[:, None]] * layout.label_bytes
            if layout.label_bytes == 2:
                columns[0] = columns[0] // 5
            (place / file).write_bytes(np.hstack([*columns, planes]).astype(np.uint8).tobytes())
    return place


def as_python_2_wrote_it(values):
    """A pickle of a dictionary in the opcodes of Python 2, whose texts are byte strings."""

    def text(value):
        value = value.encode() if isinstance(value, str) else value
        return b"T" + len(value).to_bytes(4, "little") + value

    def item(value):
        if isinstance(value, list):
            return b"](" + b"".join(map(item, value)) + b"e"
        if isinstance(value, str):
            return text(value)
        if not isinstance(value, np.ndarray):
            return b"J" + int(value).to_bytes(4, "little")
        start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85" + text("b")
        kind = b"cnumpy\ndtype\n" + text("u1") + b"K\0K\1\x87R(K\3" + text("|")
        kind += b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\0tb"
        shape = b"".join(map(item, value.shape)) + b"\x86"
        return start + b"\x87R(K\1" + shape + kind + b"\x89" + text(value.tobytes()) + b"tb"

    body = b"".join(text(key) + item(value) for key, value in values.items())
    return b"\x80\2}(" + body + b"u."


def as_python_3_writes_it(values):
    return pickle.dumps(values, protocol=2)


def write_python(folder, name, dump=as_python_2_wrote_it):
    layout = LAYOUTS[name]
    place = folder / layout.python
    place.mkdir(parents=True)
    file, key = layout.python_meta
    (place / file).write_bytes(dump({key: NAMES[name], "num_vis": 3072}))
    for train in (True, False):
        for (_, file), planes, labels in batches(name, train):
            values = {"data": planes, layout.python_labels: labels.tolist(), "filenames": ["a"]}
            (place / file).write_bytes(dump(values))
    return place


def check_content(found, name, train):
    images, labels, classes = found
    planes = np.concatenate([planes for _, planes, _ in batches(name, train)])
    expected = np.concatenate([labels for _, _, labels in batches(name, train)])
    assert classes == NAMES[name] and labels.tolist() == expected.tolist()
    assert images.shape == (len(expected), 32, 32, 3)
    assert images[1, 5, 7].tolist() == planes[1, [167, 167 + 1024, 167 + 2048]].tolist()
    assert np.array_equal(images.transpose(0, 3, 1, 2).reshape(len(images), -1), planes)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("train", [True, False])
def test_the_binary_version_is_read(tmp_path, name, train):
    write_binary(tmp_path, name)
    check_content(read_cifar(name, tmp_path, train=train), name, train)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("dump", [as_python_2_wrote_it, as_python_3_writes_it])
def test_the_python_version_is_read_as_torchvision_leaves_it(tmp_path, name, train, dump):
    write_python(tmp_path, name, dump)
    check_content(read_cifar(name, tmp_path, train=train), name, train)


def test_the_pickles_of_these_tests_are_what_a_plain_unpickler_takes_them_for():
    planes, _ = batch(0)
    written = as_python_2_wrote_it({"data": planes, "labels": [3]})
    found = pickle.loads(written, encoding="bytes")  # noqa: S301
    assert np.array_equal(found[b"data"], planes) and found[b"labels"] == [3]


def test_labels_may_be_an_array_too(tmp_path):
    place = write_python(tmp_path, "cifar10", as_python_3_writes_it)
    planes, _ = batch(7)
    content = {"data": np.asfortranarray(planes), "labels": np.array([4, 5], ">i4")}
    (place / "test_batch").write_bytes(pickle.dumps(content, protocol=4))
    images, labels, _ = read_cifar("cifar10", tmp_path, train=False)
    assert labels.tolist() == [4, 5]
    assert np.array_equal(images[0, :, :, 0].ravel(), planes[0, :1024])


def test_neither_version_there_is_none(tmp_path):
    assert read_cifar("cifar10", tmp_path, train=True) is None


@pytest.mark.parametrize("write", [write_binary, write_python])
def test_a_missing_file_is_named(tmp_path, write):
    place = write(tmp_path, "cifar10")
    file = next(place.glob("data_batch_3*"))
    file.unlink()
    with pytest.raises(SourceError, match=rf"{file.name} is missing from cifar10"):
        read_cifar("cifar10", tmp_path, train=True)


@pytest.mark.parametrize("kept", [0, 1, 3072, 3073 * 2 - 1])
def test_a_binary_file_that_is_no_whole_number_of_records_is_refused(tmp_path, kept):
    file = write_binary(tmp_path, "cifar10") / "test_batch.bin"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(DamagedError, match=r"test_batch\.bin is damaged"):
        read_cifar("cifar10", tmp_path, train=False)


def test_a_label_that_has_no_name_is_refused(tmp_path):
    file = write_binary(tmp_path, "cifar10") / "test_batch.bin"
    file.write_bytes(b"\x0a" + file.read_bytes()[1:])
    with pytest.raises(DamagedError, match="labels do not fit"):
        read_cifar("cifar10", tmp_path, train=False)


class Trap:
    """Makes a folder where it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_a_pickle_that_would_run_something_is_refused_before_it_does(tmp_path):
    place = write_python(tmp_path, "cifar10")
    planes, labels = batch(0)
    content = {"data": planes, "labels": labels.tolist(), "more": Trap(tmp_path / "mark")}
    (place / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(DamagedError, match="holds more than arrays, texts and numbers"):
        read_cifar("cifar10", tmp_path, train=False)
    assert not (tmp_path / "mark").exists()


def malformed():
    planes, _ = batch(0)
    good = {"data": planes, "labels": [0, 1]}
    return {
        "empty": b"",
        "text": b"no pickle at all",
        "a list": pickle.dumps([1, 2]),
        "no data": pickle.dumps({"labels": [0, 1]}),
        "no labels": pickle.dumps({"data": planes}),
        "too few labels": pickle.dumps({**good, "labels": [0]}),
        "nested labels": pickle.dumps({**good, "labels": [[0], [1, 2]]}),
        "labels of text": pickle.dumps({**good, "labels": ["a", "b"]}),
        "a label too high": pickle.dumps({**good, "labels": [0, 99]}),
        "a label below zero": pickle.dumps({**good, "labels": [0, -1]}),
        "short rows": pickle.dumps({**good, "data": planes[:, :-1]}, protocol=2),
        "levels too high": pickle.dumps({**good, "data": [[300] * 3072] * 2}),
        "objects": pickle.dumps({**good, "data": np.array([None, 1])}, protocol=2),
        "wrong shape": as_python_2_wrote_it(good).replace(
            b"J\0\x0c\0\0", b"J\0\x0d\0\0"
        ),
        "wrong type": as_python_2_wrote_it(good).replace(b"u1", b"O8"),
    }  # fmt: skip


@pytest.mark.parametrize("kind", malformed())
def test_a_batch_that_is_malformed_is_refused(tmp_path, kind):
    place = write_python(tmp_path, "cifar10")
    (place / "test_batch").write_bytes(malformed()[kind])
    with pytest.raises(DamagedError, match="cifar-10-batches-py"):
        read_cifar("cifar10", tmp_path, train=False)


def test_a_batch_cut_anywhere_is_refused(tmp_path):
    file = write_python(tmp_path, "cifar10") / "test_batch"
    whole = file.read_bytes()
    for kept in [*range(0, 300, 3), *range(300, len(whole), 200), len(whole) - 1]:
        file.write_bytes(whole[:kept])
        with pytest.raises(DamagedError, match="test_batch is damaged"):
            read_cifar("cifar10", tmp_path, train=False)


def test_names_that_are_missing_are_refused(tmp_path):
    place = write_python(tmp_path, "cifar10")
    (place / "batches.meta").write_bytes(pickle.dumps({"other": []}))
    with pytest.raises(DamagedError, match=r"batches\.meta is not a batch"):
        read_cifar("cifar10", tmp_path, train=True)


def test_it_is_opened_by_name_and_else_says_how_to_get_it(tmp_path):
    with pytest.raises(SourceError, match=r"cifar10 is not in .*--download.*--data-dir"):
        open_images("cifar10", data_dir=tmp_path)
    write_binary(tmp_path, "cifar10")
    images = open_images("cifar10", data_dir=tmp_path)
    assert images.names[:2] == ("cifar10-0/00001", "cifar10-1/00001")
    assert len(images) == 10 and images.source == "cifar10"


def test_it_is_fetched_if_asked_and_checked(tmp_path, monkeypatch, served):
    write_binary(tmp_path / "there", "cifar10")
    archive = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "there" / "cifar-10-batches-bin", "cifar-10-batches-bin")
    layout = replace(LAYOUTS["cifar10"], url=f"{served}/{archive.name}", md5="0" * 32)
    monkeypatch.setitem(LAYOUTS, "cifar10", layout)
    with pytest.raises(SourceError, match=r"cifar10 cannot be fetched: .*corrupted"):
        open_images("cifar10", data_dir=tmp_path / "here", download=True)
    layout = replace(layout, md5=md5(archive.read_bytes()).hexdigest())
    monkeypatch.setitem(LAYOUTS, "cifar10", layout)
    assert len(open_images("cifar10", data_dir=tmp_path / "here", download=True)) == 10
    layout = replace(layout, url=f"{served}/gone.tar.gz")
    monkeypatch.setitem(LAYOUTS, "cifar10", layout)
    with pytest.raises(SourceError, match="cifar10 cannot be fetched"):
        open_images("cifar10", data_dir=tmp_path / "empty", download=True)
