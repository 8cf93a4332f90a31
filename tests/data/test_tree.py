import os
import shutil

import pytest
from PIL import Image

from unlearnable.data.gather import Reading
from unlearnable.data.tree import open_folder
from unlearnable.errors import SourceError


def read(folder, split="train"):
    return open_folder(folder, split, Reading())


def test_classes_and_images_are_in_the_order_of_their_names(photos, tmp_path, pixels):
    folder = photos(classes=("zebra", "ant", "Bee"), each=1)
    for number in (10, 2, 1):
        Image.fromarray(pixels(16, 16, 3)).save(folder / "ant" / f"n{number}.png")
    images = read(folder)
    assert images.classes == ("Bee", "ant", "zebra")
    assert images.names == ("Bee/0", "ant/0", "ant/n1", "ant/n10", "ant/n2", "zebra/0")
    assert images.labels.tolist() == [0, 1, 1, 1, 1, 2]
    assert images.source == str(folder)


def test_the_order_in_which_files_were_made_changes_nothing(photos):
    folder = photos(each=4)
    before = read(folder).digest()
    for file in sorted(folder.rglob("*.*"), reverse=True):
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)
    assert read(folder).digest() == before


def test_images_may_lie_deeper_and_have_dots_and_capitals_in_their_names(photos):
    folder = photos(each=1)
    deep = folder / "cat" / "2019" / "summer"
    deep.mkdir(parents=True)
    shutil.copy(folder / "cat" / "0.jpg", deep / "IMG.0001.JPEG")
    assert read(folder).names == ("cat/0", "cat/2019/summer/IMG.0001", "dog/0")


@pytest.mark.parametrize("test", ["test", "val", "valid", "validation"])
def test_a_folder_of_two_parts_is_read_by_its_parts(photos, test):
    photos("both/train", each=2)
    both = photos(f"both/{test}", each=1).parent
    assert read(both).names == ("train/cat/0", "train/cat/1", "train/dog/0", "train/dog/1")
    assert read(both, "test").names == (f"{test}/cat/0", f"{test}/dog/0")
    assert read(both, "test").classes == ("cat", "dog")


def test_a_missing_test_part_is_not_made_up(photos):
    folder = photos("both/train").parent
    with pytest.raises(SourceError, match="no test/"):
        read(folder, "test")


def test_a_class_may_be_called_train(photos):
    folder = photos(classes=("car", "train"), each=1)
    assert read(folder).classes == read(folder, "test").classes == ("car", "train")


def test_hidden_files_are_left_aside_and_other_files_are_counted(photos):
    folder = photos(each=1)
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x.png").write_bytes(b"")
    for name in (".DS_Store", "._0.jpg", "notes.txt", "clip.mp4", "no_suffix"):
        (folder / "cat" / name).write_bytes(b"")
    (folder / "README.md").write_bytes(b"")
    images = read(folder)
    assert len(images) == 2 and images.classes == ("cat", "dog")
    assert images.ignored == 3


def test_a_flat_folder_is_refused_with_an_example_of_what_to_do(photos):
    flat = photos(each=3) / "cat"
    with pytest.raises(SourceError, match="is flat: its 3 images") as refused:
        read(flat)
    assert f"{flat}/cats/0.jpg" in str(refused.value)


def test_images_beside_class_folders_are_refused(photos):
    folder = photos(each=1)
    shutil.copy(folder / "cat" / "0.jpg", folder / "stray.jpg")
    with pytest.raises(SourceError, match=r"1 images lie beside .* \(stray\.jpg first\)"):
        read(folder)


def test_a_class_may_be_called_like_an_image(photos):
    assert read(photos(classes=("a.png", "b.png"), each=1)).names == ("a.png/0", "b.png/0")


def test_a_folder_without_images_says_what_it_would_take(tmp_path):
    with pytest.raises(SourceError, match=r"no images in .*\.bmp, \.gif, .*\.jpeg, \.jpg, \.png"):
        read(tmp_path)
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    with pytest.raises(SourceError, match="no images in"):
        read(tmp_path)


def test_a_format_that_is_not_read_is_refused_and_not_passed_over(photos):
    folder = photos(each=1)
    (folder / "cat" / "raw.nef").write_bytes(b"a raw photo")
    with pytest.raises(SourceError, match=r"raw\.nef cannot be used: \.nef files are not read"):
        read(folder)


def test_links_are_followed_once(photos, tmp_path):
    folder, elsewhere = photos(each=1), photos("elsewhere", classes=("bird",), each=2)
    (folder / "bird").symlink_to(elsewhere / "bird", target_is_directory=True)
    assert read(folder).names == ("bird/0", "bird/1", "cat/0", "dog/0")
    for name in ("one", "two"):
        (folder / "dog" / name).symlink_to(elsewhere / "bird", target_is_directory=True)
    assert read(folder).names[3:] == ("dog/0", "dog/one/0", "dog/one/1", "dog/two/0", "dog/two/1")
    (folder / "cat" / "again").symlink_to(folder / "cat", target_is_directory=True)
    with pytest.raises(SourceError, match="leads round in a circle"):
        read(folder)


def test_a_name_that_is_no_text_is_read_all_the_same(photos):
    folder = photos(each=1)
    strange = os.fsencode(folder / "cat") + b"/\xff\xfe.jpg"
    shutil.copy(folder / "cat" / "0.jpg", strange)
    assert read(folder).names[1] == "cat/" + os.fsdecode(b"\xff\xfe")


def test_a_name_that_would_become_a_folder_is_refused(photos):
    folder = photos(each=1)
    (folder / "cat" / "0.png").mkdir()
    shutil.copy(folder / "cat" / "0.jpg", folder / "cat" / "0.png" / "x.jpg")
    with pytest.raises(SourceError, match=r"cat/0 would become cat/0\.png, which is a folder"):
        read(folder)
