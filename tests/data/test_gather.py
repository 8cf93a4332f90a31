import io
import time

import numpy as np
import pytest
from PIL import Image

from unlearnable.data.gather import Reading, folder_name, from_arrays, gather, in_parallel
from unlearnable.data.imageset import Origin
from unlearnable.errors import SettingError, SourceError


def file_of(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return lambda: io.BytesIO(buffer.getvalue())


def origins_of(files):
    return [Origin(f"{'ab'[row % 2]}/{row}", file) for row, file in enumerate(files)]


def collect(files, reading=Reading()):  # noqa: B008 - frozen
    labels = [row % 2 for row in range(len(files))]
    return gather(origins_of(files), labels, ["a", "b"], reading, source="these")


def colours(pixels, *sizes):
    return [file_of(Image.fromarray(pixels(*size, 3, seed=row))) for row, size in enumerate(sizes)]


def test_images_of_one_size_stay_as_they_are(pixels):
    images = collect(colours(pixels, (9, 14), (9, 14)))
    assert images.size == (9, 14) and images.channels == 3 and not images.resized
    assert np.array_equal(images.images[1], pixels(9, 14, 3, seed=1))


@pytest.mark.parametrize(
    ("sizes", "side"),
    [
        ([(40, 60), (50, 45), (90, 47)], 40),  # the median shorter side is 45
        ([(64, 64), (64, 65)], 64),
        ([(9, 9), (12, 12)], 32),
        ([(8, 300), (300, 299), (298, 297)], 128),
    ],
)
def test_mixed_sizes_come_to_their_median_shorter_side(pixels, sizes, side):
    images = collect(colours(pixels, *sizes))
    assert images.size == (side, side) and images.resized


def test_a_wanted_size_is_kept_to(pixels):
    images = collect(colours(pixels, (20, 30), (30, 30)), Reading(size=24))
    assert images.size == (24, 24) and images.resized
    same = collect(colours(pixels, (24, 24), (24, 24)), Reading(size=24))
    assert not same.resized and np.array_equal(same.images[0], pixels(24, 24, 3))
    tall = collect(colours(pixels, (24, 12), (24, 12)), Reading(size=24))
    assert tall.resized


def test_a_size_that_is_too_small_is_refused():
    with pytest.raises(SettingError, match="--size 7 is too small: it must be at least 8"):
        Reading(size=7)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_turned_photos_of_one_upright_size_are_not_distorted(pixels, form):
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = file_of(Image.fromarray(pixels(10, 20, 3)), form, exif=exif)
    upright = file_of(Image.fromarray(pixels(20, 10, 3)), form)
    images = collect([lying, upright])
    assert images.size == (20, 10) and not images.resized


def test_grey_images_alone_have_one_channel_and_among_colours_three(pixels):
    grey = [file_of(Image.fromarray(pixels(8, 8, seed=row))) for row in range(2)]
    assert collect(grey).images.shape == (2, 8, 8, 1)
    mixed = collect([grey[0], *colours(pixels, (8, 8))])
    assert mixed.images.shape == (2, 8, 8, 3)
    assert np.array_equal(mixed.images[0], np.repeat(pixels(8, 8, 1), 3, axis=2))


def damaged(pixels):
    cut = file_of(Image.fromarray(pixels(32, 32, 3)), "JPEG")().getvalue()[:-300]
    return [lambda: io.BytesIO(b"text"), lambda: io.BytesIO(cut)]


@pytest.mark.parametrize("place", [0, 1])
def test_an_unreadable_image_is_named_with_both_ways_out(pixels, place):
    files = [damaged(pixels)[place], *colours(pixels, (32, 32), (32, 32))]
    with pytest.raises(SourceError, match=r"^a/0 cannot be used: .*truncated\. Repair.*--skip-unr"):
        collect(files)


def test_unreadable_images_are_left_out_and_listed_if_asked(pixels):
    files = [*damaged(pixels), *colours(pixels, (32, 32), (32, 32), (32, 32))]
    images = collect(files, Reading(skip_unreadable=True))
    assert images.names == ("a/2", "b/3", "a/4") and images.labels.tolist() == [0, 1, 0]
    assert np.array_equal(images.images[1], pixels(32, 32, 3, seed=1))
    assert [line.split(":")[0] for line in images.skipped] == [
        "a/0 cannot be used",
        "b/1 cannot be used",
    ]


def test_skipping_may_not_empty_a_class_or_everything(pixels):
    good = colours(pixels, (32, 32), (32, 32), (32, 32))
    skip = Reading(skip_unreadable=True)
    with pytest.raises(SourceError, match="the class b has no image"):
        collect([good[0], damaged(pixels)[1], good[1]], skip)
    with pytest.raises(SourceError, match="these holds no image"):
        collect(damaged(pixels), skip)


@pytest.mark.parametrize("size", [(7, 30), (30, 7)])
def test_an_image_under_eight_pixels_is_named_with_its_size(pixels, size):
    with pytest.raises(SourceError, match=f"b/1 is {size[1]}×{size[0]} pixels: at least 8×8"):
        collect(colours(pixels, (8, 8), size), Reading(skip_unreadable=True))


def test_names_that_would_become_one_file_are_both_named(tmp_path, pixels):
    for name in ("a.jpg", "a.png", "b.png"):
        Image.fromarray(pixels(8, 8, 3)).save(tmp_path / name)
    origins = [Origin("x/a", tmp_path / "a.jpg"), Origin("x/a", tmp_path / "a.png")]
    origins.append(Origin("y/b", tmp_path / "b.png"))
    with pytest.raises(SourceError, match=r"a\.jpg and .*a\.png would both become x/a\.png"):
        gather(origins, [0, 0, 1], ["x", "y"], Reading(), source="these")


def test_one_class_is_not_enough(pixels):
    origins = origins_of(colours(pixels, (8, 8)))
    with pytest.raises(SourceError, match=r"one class only \(a\)"):
        gather(origins, [0], ["a"], Reading(), source="these")


def test_results_come_in_order_whatever_finishes_first():
    def slow_first(item):
        time.sleep(0.05 if item == 0 else 0)
        return item * 2

    assert in_parallel(slow_first, range(9)) == list(range(0, 18, 2))


def test_the_first_error_in_order_is_the_one_that_is_raised():
    def fail(item):
        time.sleep(0.05 if item == 1 else 0)
        if item:
            raise ValueError(str(item))

    with pytest.raises(ValueError, match=r"^1$"):
        in_parallel(fail, range(5))


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cat", "cat"),
        ("a/b\\c:d", "a_b_c_d"),
        ("..", "_"),
        ("../../etc", "_.._etc"),
        (".hidden", "hidden"),
        (" new\nline ", "new_line"),
        ("", "_"),
        ("größe", "größe"),
    ],
)
def test_a_class_name_becomes_one_plain_folder_name(name, folder):
    assert folder_name(name) == folder


def test_arrays_are_named_by_class_and_count(pixels):
    images = from_arrays(
        pixels(4, 8, 8, 3), np.array([1, 0, 1, 1]), ["x", "y/z"], source="s", prefix="train/"
    )
    assert images.names == (
        "train/y_z/00001",
        "train/x/00001",
        "train/y_z/00002",
        "train/y_z/00003",
    )
    assert images.classes == ("x", "y/z")


def test_classes_that_would_share_a_folder_are_refused(pixels):
    with pytest.raises(SourceError, match="two classes would share one folder name"):
        from_arrays(pixels(2, 8, 8, 3), np.array([0, 1]), ["a/b", "a:b"], source="s")
