import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from unlearnable import applying
from unlearnable.applying import apply, remove
from unlearnable.data.encoding import Writing
from unlearnable.data.files import decode
from unlearnable.data.shapes import shapes
from unlearnable.errors import DamagedError, DestinationError, SettingError, SourceError
from unlearnable.keys import Key, inspect, write_picture
from unlearnable.methods.random import RandomNoise
from unlearnable.noise import Noise
from unlearnable.protecting import protect

KEYED = RandomNoise(form="class-wise")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two of four classes protected, each image with its own noise."""
    folder = tmp_path_factory.mktemp("own") / "out"
    return protect(shapes(40), folder, method="random", seed=1, classes=["disc", "star"])


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """The key of two of four classes."""
    folder = tmp_path_factory.mktemp("key") / "out"
    return protect(shapes(40), folder, method=KEYED, seed=1, classes=["disc", "star"]).private


def photo(path, size=(40, 30), seed=0, low=20, high=230, **saving):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(low, high, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path, **saving)
    return pixels


def test_new_photos_take_the_noise_of_their_folder_at_their_own_size(key, tmp_path):
    disc = photo(tmp_path / "new/disc/a.png")
    star = photo(tmp_path / "new/2026/star/b.jpg", size=(24, 24), seed=1)
    star = decode(tmp_path / "new/2026/star/b.jpg").pixels
    done = apply(key, [tmp_path / "new"], tmp_path / "out")
    assert [file.name for file in done.files] == ["2026/star/b.png", "disc/a.png"]
    noise, rows = Noise.load(key), Key.open(key).classes
    for name, before, row in (("disc/a", disc, "disc"), ("2026/star/b", star, "star")):
        after = decode(tmp_path / "out" / f"{name}.png").pixels
        assert np.array_equal(after, noise.add_to(before, rows[row]))
        assert 0 < np.abs(after.astype(int) - before).max() <= 8
    record = json.loads((tmp_path / "out.private" / "applied.json").read_text())
    assert record["state"] == "complete" and len(record["files"]) == 2


def test_a_class_is_named_where_folders_do_not_tell_it(key, tmp_path):
    photo(tmp_path / "a.png")
    with pytest.raises(SettingError, match="name the class by --class, one of disc, star"):
        apply(key, [tmp_path / "a.png"], tmp_path / "out")
    with pytest.raises(SettingError, match="choose one of disc, star"):
        apply(key, [tmp_path / "a.png"], tmp_path / "out", chosen="cross")
    assert not (tmp_path / "out").exists()
    assert apply(key, [tmp_path / "a.png"], tmp_path / "out", chosen="star").files


def test_a_killed_run_goes_on_to_the_same_bytes_and_may_be_added_to(key, tmp_path, monkeypatch):
    monkeypatch.setattr(applying, "BATCH", 2)
    for number in range(5):
        photo(tmp_path / f"new/disc/{number}.png", seed=number)

    def kill(stage, share, /, **figures):
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(key, [tmp_path / "new"], tmp_path / "out", tell=kill)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 2
    with pytest.raises(DestinationError, match="--resume"):
        apply(key, [tmp_path / "new"], tmp_path / "out")
    apply(key, [tmp_path / "new"], tmp_path / "out", resume=True)
    apply(key, [tmp_path / "new"], tmp_path / "whole")

    def contents(folder):
        return {path.name: path.read_bytes() for path in folder.rglob("*.png")}

    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    photo(tmp_path / "later/disc/9.png", seed=9)
    apply(key, [tmp_path / "later"], tmp_path / "out", resume=True)
    record = json.loads((tmp_path / "out.private" / "applied.json").read_text())
    assert len(record["files"]) == 6
    photo(tmp_path / "other/disc/9.png", seed=10)
    with pytest.raises(DestinationError, match="made of another photo"):
        apply(key, [tmp_path / "other"], tmp_path / "out", resume=True)


def test_a_folder_of_one_key_is_not_added_to_with_another(key, tmp_path):
    photo(tmp_path / "a.png")
    apply(key, [tmp_path / "a.png"], tmp_path / "out", chosen="disc")
    other = protect(shapes(40), tmp_path / "other", method=KEYED, seed=2).private
    with pytest.raises(SettingError, match="about another key"):
        apply(other, [tmp_path / "a.png"], tmp_path / "out", chosen="disc", resume=True)


def test_an_unreadable_photo_stops_the_run_or_is_left_out(key, tmp_path):
    photo(tmp_path / "new/a.png")
    (tmp_path / "new/b.png").write_bytes(b"no image")
    with pytest.raises(SourceError, match=r"b\.png cannot be used"):
        apply(key, [tmp_path / "new"], tmp_path / "out", chosen="disc")
    done = apply(key, [tmp_path / "new"], tmp_path / "others", chosen="disc", skip_unreadable=True)
    assert len(done.files) == 1 and "b.png" in done.skipped[0]


def test_noise_of_each_image_is_no_key_for_new_ones(made, tmp_path):
    photo(tmp_path / "a.png")
    with pytest.raises(SettingError, match="--form class-wise"):
        apply(made.private, [tmp_path / "a.png"], tmp_path / "out")


def test_photos_are_never_written_over(key, tmp_path):
    photo(tmp_path / "new/disc/a.png")
    for place in (tmp_path / "new", tmp_path / "new/disc", tmp_path):
        with pytest.raises(DestinationError, match="holds or lies inside"):
            apply(key, [tmp_path / "new"], place)


def test_two_photos_of_one_name_are_refused(key, tmp_path):
    photo(tmp_path / "x/a.png")
    photo(tmp_path / "y/a.jpg")
    with pytest.raises(SourceError, match=r"would both become a:"):
        apply(key, [tmp_path / "x", tmp_path / "y"], tmp_path / "out", chosen="disc")
    with pytest.raises(SourceError, match="is not there"):
        apply(key, [tmp_path / "z"], tmp_path / "out", chosen="disc")


def test_the_owner_gets_the_original_back_pixel_for_pixel(key, tmp_path):
    before = photo(tmp_path / "new/disc/a.png")
    photo(tmp_path / "new/disc/bright.png", high=255, seed=3)
    apply(key, [tmp_path / "new"], tmp_path / "out")
    done = remove(key, [tmp_path / "out"], tmp_path / "back")
    assert [file.name for file in done.files] == ["disc/a.png"]
    assert np.array_equal(decode(tmp_path / "back/disc/a.png").pixels, before)
    assert "bright.png has" in done.skipped[0] and "--approximate" in done.skipped[0]
    done = remove(key, [tmp_path / "out"], tmp_path / "nearly", approximate=True)
    assert len(done.files) == 2 and not done.skipped


def test_what_is_compressed_or_not_of_this_key_is_not_taken_for_an_original(key, tmp_path):
    photo(tmp_path / "disc/a.jpg", quality=95)
    with pytest.raises(SourceError, match=r"of 1 photos none .* not in a lossless format"):
        remove(key, [tmp_path / "disc/a.jpg"], tmp_path / "back")
    assert not (tmp_path / "back").exists()
    photo(tmp_path / "disc/b.png", low=1, high=3)
    with pytest.raises(SourceError, match="was not protected with this key"):
        remove(key, [tmp_path / "disc/b.png"], tmp_path / "again")


def test_noise_of_each_image_is_taken_off_by_the_hash_of_its_file(made, tmp_path):
    pictures = sorted(made.destination.rglob("*.png"))
    done = remove(made.private, [made.destination], tmp_path / "back", approximate=True)
    assert len(done.files) == len(pictures) == 40
    original = {origin.name: row for row, origin in enumerate(shapes(40).origins)}
    images, noise = shapes(40).images, Noise.load(made.private)
    clipped = 0
    for name, row in original.items():
        found = decode(tmp_path / "back" / f"{name}.png").pixels
        clipped += not np.array_equal(found, images[row])
        assert np.abs(found.astype(int) - images[row]).max() <= noise.budget.size
    assert clipped < len(original)
    touched = tmp_path / "touched/disc/1.png"
    photo(touched)
    with pytest.raises(SourceError, match="none of the files that were published"):
        remove(made.private, [touched], tmp_path / "no")


def test_what_was_published_without_noise_comes_back_as_it_is(tmp_path):
    done = protect(shapes(40), tmp_path / "out", method=KEYED, seed=1, rate=0.5)
    remove(done.private, [tmp_path / "out"], tmp_path / "back", approximate=True)
    untouched = [file["name"] for file in done.manifest["files"] if file["change"] == 0]
    assert len(untouched) == 20
    for name in untouched:
        assert (tmp_path / "back" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_a_key_says_what_it_is_and_is_shown(key, made, tmp_path):
    facts = inspect(key)
    assert facts["classes"] == ["disc", "star"] and facts["form"] == "class-wise"
    assert facts["seed"] == 1 and facts["largest"] == 8 and facts["published"] == 40
    assert inspect(made.private)["classes"] == []
    write_picture(key, tmp_path / "key.png")
    picture = Image.open(io.BytesIO((tmp_path / "key.png").read_bytes()))
    assert picture.width > picture.height
    assert (tmp_path / "key.png").stat().st_mode & 0o077 == 0
    with pytest.raises(DestinationError, match="is there already"):
        write_picture(key, tmp_path / "key.png")
    with pytest.raises(DamagedError):
        inspect(tmp_path)


def test_a_key_is_applied_without_torch():
    code = "import sys, unlearnable.applying; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_jpeg_stays_a_jpeg_if_asked_and_a_contact_sheet_is_left(key, tmp_path):
    photo(tmp_path / "new/disc/a.jpg")
    done = apply(key, [tmp_path / "new"], tmp_path / "out", writing=Writing("keep"))
    (file,) = done.files
    assert file.name == "disc/a.jpg" and not file.lossless and 0 < file.survived < 1.5
    assert file.ratio == pytest.approx(
        (tmp_path / "out/disc/a.jpg").stat().st_size / (tmp_path / "new/disc/a.jpg").stat().st_size,
        abs=0.001,
    )
    assert {p.name for p in (tmp_path / "out.private").iterdir()} >= {"contact.png", "contact.html"}
    with pytest.raises(SourceError, match="not in a lossless format"):
        remove(key, [tmp_path / "out"], tmp_path / "back")
