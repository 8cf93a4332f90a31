import io
import os
import zipfile

import numpy as np
import pytest

from unlearnable.data.shapes import shapes
from unlearnable.data.sources import open_images
from unlearnable.errors import SettingError, SourceError


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.fixture
def npz(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "set.npz", **arrays)
        return tmp_path / "set.npz"

    return write


def test_an_npz_is_read_as_it_is(npz, pixels):
    data = pixels(4, 9, 10, 3)
    images = open_images(npz(images=data, labels=np.array([1, 0, 1, 1]), classes=["ant", "bee"]))
    assert np.array_equal(images.images, data)
    assert images.labels.tolist() == [1, 0, 1, 1] and images.labels.dtype == np.int64
    assert images.classes == ("ant", "bee")
    assert images.names == ("bee/00001", "ant/00001", "bee/00002", "bee/00003")
    assert images.source.endswith("set.npz")


def test_classes_without_names_are_called_by_their_numbers(npz, pixels):
    file = npz(images=pixels(3, 8, 8, 3), labels=np.array([0, 1, 2], np.uint8))
    assert open_images(str(file)).classes == ("0", "1", "2")


@pytest.mark.parametrize("shape", [(4, 8, 9), (4, 8, 9, 1)])
def test_grey_arrays_have_one_channel(npz, pixels, shape):
    images = open_images(npz(images=pixels(*shape), labels=[0, 1, 0, 1]))
    assert images.images.shape == (4, 8, 9, 1) and images.channels == 1


@pytest.mark.parametrize("given", ["arrays", "lists"])
def test_a_tuple_of_arrays_is_read_like_an_npz(pixels, given):
    data, labels = pixels(4, 8, 8, 3), np.array([0, 1, 0, 1])
    source = (data, labels if given == "arrays" else labels.tolist(), ["x", "y"])
    images = open_images(source)
    assert np.array_equal(images.images, data) and images.classes == ("x", "y")


def test_an_image_set_is_passed_through():
    images = shapes(10)
    assert open_images(images) is images


def test_the_built_in_set_goes_by_its_name():
    assert len(open_images("shapes", split="test")) == 1000


def test_a_folder_goes_before_a_name_and_may_begin_with_a_tilde(photos, monkeypatch):
    folder = photos("shapes")
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder.parent))
    assert open_images("shapes").classes == open_images("~/shapes").classes == ("cat", "dog")


def test_the_size_is_for_files_and_refused_for_arrays_of_another(photos, pixels):
    assert open_images(photos(size=(20, 30)), size=16).size == (16, 16)
    arrays = (pixels(2, 8, 9, 3), [0, 1])
    with pytest.raises(SettingError, match=r"--size 16 is for image files: arrays holds .* 9×8"):
        open_images(arrays, size=16)
    assert open_images((pixels(2, 16, 16, 3), [0, 1]), size=16).size == (16, 16)


def test_what_is_neither_a_place_nor_a_name_is_refused_with_the_names(tmp_path):
    with pytest.raises(SourceError, match=r"no folder cifar11, .* cifar10, cifar100, .*, shapes"):
        open_images("cifar11")
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"a\.png is a file: give a folder of class folders"):
        open_images(tmp_path / "a.png")
    with pytest.raises(SourceError, match="there is no file"):
        open_images(tmp_path / "none.npz")


DATA = np.zeros((4, 8, 8, 3), np.uint8)
LABELS = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "classes", "reason"),
    [
        (DATA / 255, LABELS, None, "images of type float64"),
        (DATA.transpose(0, 3, 1, 2), LABELS, None, r"shape \(4, 3, 8, 8\)"),
        (DATA[0, 0], LABELS, None, "must be uint8"),
        (np.zeros((4, 8, 8, 4), np.uint8), LABELS, None, r"\(N, H, W, 3\)"),
        (DATA[:, :7], LABELS, None, "8×7 pixels: at least 8×8"),
        (DATA, LABELS[:3], None, r"labels of type int64 and shape \(3,\) for 4 images"),
        (DATA, LABELS.astype(float), None, "whole numbers"),
        (DATA, np.eye(4, dtype=int), None, "one an image"),
        (DATA, np.array(["a", "b", "a", "b"]), None, "labels of type <U1"),
        (DATA, LABELS - 1, None, "labels must run from 0"),
        (DATA, LABELS, ["only"], "labels must run from 0 to 0"),
        (DATA, LABELS, np.array("only"), "labels must run from 0 to 0"),
        (DATA, LABELS * 2, None, "the class 1 has no image"),
        (DATA, LABELS * 10**12, None, "labels run up to 1000000000000 for 4 images"),
        (DATA, LABELS, ["a", "b", "c"], "the class c has no image"),
        (DATA, LABELS * 0, ["cat"], r"one class only \(cat\)"),
        (DATA, LABELS, ["a/b", "a:b"], "would share one folder name"),
        (DATA[:0], LABELS[:0], None, "holds no image"),
    ],
)
def test_arrays_that_make_no_labelled_set_are_refused(npz, images, labels, classes, reason):
    parts = {"images": images, "labels": labels}
    file = npz(**parts, **({} if classes is None else {"classes": classes}))
    for source in (file, (images, labels, classes)):
        with pytest.raises(SourceError, match=reason):
            open_images(source)


def test_an_npz_that_lacks_an_array_says_which_it_has(npz, pixels):
    with pytest.raises(SourceError, match="holds x, labels: it needs the arrays images and labels"):
        open_images(npz(x=pixels(2, 8, 8, 3), labels=[0, 1]))


def test_an_npz_with_pickled_objects_is_refused_and_they_are_never_run(npz, pixels, tmp_path):
    mark = tmp_path / "mark"
    names = np.array([Trap(mark), "b"], dtype=object)
    file = npz(images=pixels(2, 8, 8, 3), labels=[0, 1], classes=names)
    with pytest.raises(SourceError, match=r"not a readable \.npz of plain arrays"):
        open_images(file)
    assert not mark.exists()


def unreadable():
    good, single = io.BytesIO(), io.BytesIO()
    np.savez_compressed(good, images=np.random.default_rng(0).integers(9, size=2000), labels=LABELS)
    whole = good.getvalue()
    np.save(single, DATA)
    with zipfile.ZipFile(foreign := io.BytesIO(), "w") as archive:
        archive.writestr("images.npy", "no array")
        archive.writestr("labels.npy", "no array")
    flipped = whole[:97] + bytes(255 - byte for byte in whole[97:137]) + whole[137:]
    return {
        "empty": b"",
        "text": b"no archive",
        "cut": whole[: len(whole) // 2],
        "flipped": flipped,
        "one array": single.getvalue(),
        "foreign": foreign.getvalue(),
    }


@pytest.mark.parametrize("kind", unreadable())
def test_a_damaged_npz_is_refused(tmp_path, kind):
    (tmp_path / "set.npz").write_bytes(unreadable()[kind])
    with pytest.raises(SourceError, match=r"set\.npz"):
        open_images(tmp_path / "set.npz")


def test_a_digest_tells_sets_apart_by_pixels_labels_names_and_classes():
    digests = {
        open_images(source).digest()
        for source in [
            (DATA, LABELS),
            (DATA + 1, LABELS),
            (DATA, 1 - LABELS),
            (DATA, LABELS, ["a", "b"]),
            (DATA, LABELS, ["a", "c"]),
        ]
    }
    assert len(digests) == 5
    assert open_images((DATA.copy(), LABELS.copy())).digest() in digests
