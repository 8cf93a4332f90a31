import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unlearnable.data.files import decode
from unlearnable.data.folder import inside, private_beside, refuse_occupied, refuse_overlap, write
from unlearnable.data.imageset import Origin
from unlearnable.data.quality import psnr, ssim
from unlearnable.data.sources import open_images
from unlearnable.errors import DestinationError
from unlearnable.noise import Budget, seal


def noise_for(images, form="sample-wise", epsilon=8):
    rows = len(images) if form == "sample-wise" else len(images.classes)
    shape = (rows, images.channels, *images.size)
    levels = np.random.default_rng(9).uniform(-2 * epsilon, 2 * epsilon, shape)
    return seal(levels, form=form, budget=Budget("linf", epsilon))


@pytest.fixture
def publish(tmp_path):
    """Write a set with noise to `out`, by way of a scratch folder that is empty afterwards."""

    def write_out(images, noise=None):
        scratch = tmp_path / "out.private"
        scratch.mkdir(exist_ok=True)
        try:
            return write(images, noise or noise_for(images), tmp_path / "out", scratch=scratch)
        finally:
            assert list(scratch.iterdir()) == []

    return write_out


def files_below(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


def test_the_tree_and_the_stems_are_kept_and_every_file_is_a_png(photos, publish, tmp_path):
    folder = photos("photos/train", classes=("cat", "dog"), each=2).parent
    photos("photos/test", each=1)
    (folder / "train" / "cat" / "notes.txt").write_text("left behind")
    deep = folder / "train" / "cat" / "2019"
    deep.mkdir()
    (folder / "train" / "cat" / "0.jpg").rename(deep / "my.cat.jpg")
    written = publish(open_images(folder))
    names = ["train/cat/1.png", "train/cat/2019/my.cat.png", "train/dog/0.png", "train/dog/1.png"]
    assert files_below(tmp_path / "out") == names
    assert sorted(file.name for file in written) == names
    for name in names:
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_file_is_its_original_plus_its_noise_exactly(photos, publish, tmp_path):
    images = open_images(photos(suffixes=[".png"]))
    noise = noise_for(images)
    publish(images, noise)
    for row, name in enumerate(images.names):
        found = decode(tmp_path / "out" / f"{name}.png").pixels.astype(int)
        total = images.images[row] + noise.values[row].transpose(1, 2, 0).astype(int)
        assert np.array_equal(found, total.clip(0, 255))


def test_class_wise_noise_is_that_of_the_class(photos, publish, tmp_path):
    images = open_images(photos(each=3))
    noise = noise_for(images, "class-wise")
    publish(images, noise)
    found = decode(tmp_path / "out" / "dog" / "2.png").pixels
    assert np.array_equal(found, noise.add_to(images.images[5], 1))


def test_files_keep_their_own_sizes_and_each_keeps_the_budget_there(photos, publish, tmp_path):
    sizes = [(20, 31), (64, 40), (33, 90), (9, 8)]
    folder = tmp_path / "photos"
    for number, size in enumerate(sizes):
        photos(f"photos/{number}", classes=("x",), each=1, size=size)
    images = open_images(folder)
    assert images.resized and images.size == (32, 32)
    blocks = np.kron(np.random.default_rng(1).choice([-50, 50], (4, 3, 4, 4)), np.ones((8, 8)))
    written = publish(images, seal(blocks, form="sample-wise", budget=Budget("linf", 5)))
    for file, size in zip(written, sizes, strict=True):
        before = decode(folder / file.name.replace(".png", ".jpg")).pixels
        after = decode(tmp_path / "out" / file.name).pixels
        change = np.abs(after.astype(int) - before)
        assert after.shape == (*size, 3)
        assert change.max() == file.change == 5


def test_what_is_reported_of_a_file_is_what_lies_on_the_disk(photos, publish, tmp_path):
    images = open_images(photos())
    for row, file in enumerate(publish(images)):
        content = (tmp_path / "out" / file.name).read_bytes()
        found = decode(tmp_path / "out" / file.name).pixels
        assert file.sha256 == hashlib.sha256(content).hexdigest()
        assert file.psnr == pytest.approx(psnr(images.images[row], found), abs=1e-3)
        assert file.ssim == pytest.approx(ssim(images.images[row], found), abs=1e-5)


def test_grey_stays_grey_and_alpha_stays_as_it_was(photos, publish, tmp_path, pixels):
    folder = photos(each=1)
    grey, alpha = pixels(16, 16), pixels(16, 16, 4)
    Image.fromarray(grey).save(folder / "cat" / "grey.png")
    Image.fromarray(alpha).save(folder / "dog" / "alpha.png")
    publish(open_images(folder))
    out = decode(tmp_path / "out" / "cat" / "grey.png").pixels
    assert out.shape == (16, 16, 1)
    assert 0 < np.abs(out[:, :, 0].astype(int) - grey).max() <= 8
    out = decode(tmp_path / "out" / "dog" / "alpha.png").pixels
    assert np.array_equal(out[:, :, 3], alpha[:, :, 3])
    assert 0 < np.abs(out[:, :, :3].astype(int) - alpha[:, :, :3]).max() <= 8


def test_arrays_are_written_by_class_and_count(publish, tmp_path, pixels):
    images = open_images((pixels(3, 8, 8, 1), np.array([0, 1, 0]), ["a/b", "c"]))
    publish(images)
    assert files_below(tmp_path / "out") == ["a_b/00001.png", "a_b/00002.png", "c/00001.png"]


def test_a_right_file_is_kept_and_a_wrong_one_is_written_again(photos, publish, tmp_path):
    images = open_images(photos())
    publish(images)
    out = tmp_path / "out"
    right, wrong, cut = out / "cat" / "0.png", out / "cat" / "1.png", out / "dog" / "0.png"
    whole = {path: path.read_bytes() for path in (right, wrong, cut)}
    wrong.write_bytes(whole[right])
    cut.write_bytes(whole[cut][:100])
    os.utime(right, ns=(1, 1))
    publish(images)
    assert {path: path.read_bytes() for path in whole} == whole
    assert right.stat().st_mtime_ns == 1


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_written_through(
    photos, publish, tmp_path
):
    images = open_images(photos())
    publish(images)
    mine, same = tmp_path / "mine.png", tmp_path / "same.png"
    links = {tmp_path / "out" / "cat" / "0.png": mine, tmp_path / "out" / "cat" / "1.png": same}
    for link, target in links.items():
        link.rename(target)
        link.symlink_to(target)
    mine.write_bytes(b"mine")
    publish(images)
    assert mine.read_bytes() == b"mine"
    assert not any(link.is_symlink() for link in links)


def test_nothing_unfinished_is_ever_seen_in_the_published_folder(
    photos, publish, tmp_path, monkeypatch
):
    replace, seen = os.replace, []

    def watch(source, target, **options):
        seen.append(Path(source).parent)
        assert all(name.endswith(".png") for name in files_below(tmp_path / "out"))
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", watch)
    publish(open_images(photos()))
    assert seen == [tmp_path / "out.private"] * 4


@pytest.mark.parametrize("name", ["../escape", "cat/../../escape", "/escape"])
def test_a_name_that_leads_out_of_the_folder_is_refused(photos, publish, tmp_path, name):
    images = open_images(photos())
    images = replace(images, origins=(Origin(name, images.origins[0].encoded), *images.origins[1:]))
    with pytest.raises(DestinationError, match="leads out of"):
        publish(images)
    assert not list(tmp_path.rglob("escape*"))


def test_a_link_out_of_the_folder_is_refused_and_nothing_is_written_there(
    photos, publish, tmp_path
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cat").symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(DestinationError, match="is a link out of"):
        publish(open_images(photos()))
    assert list(elsewhere.iterdir()) == []


def test_a_link_that_stays_inside_is_no_harm(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert inside(tmp_path, "link/a.png") == tmp_path / "link" / "a.png"


def test_progress_is_told_in_files(photos, tmp_path):
    images, done = open_images(photos(each=3)), []
    (tmp_path / "scratch").mkdir()
    write(
        images, noise_for(images), tmp_path / "out", scratch=tmp_path / "scratch", tell=done.append
    )
    assert done == [6]


@pytest.mark.parametrize(
    ("destination", "source"),
    [
        ("photos", "photos"),
        ("photos/", "photos"),
        ("photos/protected", "photos"),
        ("photos/cat/deep/down", "photos"),
        (".", "photos"),
        ("", "photos"),
        ("elsewhere/../photos", "photos"),
        ("x", "x.private"),
        ("x", "x.private/photos"),
        ("link", "photos"),
        ("link/new", "photos"),
        ("photos", "link"),
        ("photos/out", "photos"),
        ("photos.npz", "photos.npz"),
    ],
)
def test_a_destination_that_touches_the_source_is_refused(tmp_path, destination, source):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "photos", target_is_directory=True)
    with pytest.raises(DestinationError, match="is, holds or lies inside the source"):
        refuse_overlap(tmp_path / destination, tmp_path / source)


def test_a_private_folder_inside_the_source_is_refused_though_the_destination_is_outside(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "outside", target_is_directory=True)
    with pytest.raises(DestinationError, match="lies inside the source"):
        refuse_overlap(tmp_path / "photos" / "link", tmp_path / "photos")


def test_a_refused_destination_comes_with_one_that_would_do(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(DestinationError) as refused:
        refuse_overlap(tmp_path / "photos" / "out", tmp_path / "photos")
    proposed = tmp_path / "photos-protected"
    assert f"for example {proposed}." in str(refused.value)
    refuse_overlap(proposed, tmp_path / "photos")


@pytest.mark.parametrize("destination", ["photos2", "other/photos", "photo"])
def test_a_destination_beside_the_source_is_welcome(tmp_path, destination):
    refuse_overlap(tmp_path / destination, tmp_path / "photos")


@pytest.mark.parametrize("name", ["out", "out.private"])
def test_a_destination_that_holds_something_is_refused(tmp_path, name):
    refuse_occupied(tmp_path / "out", resume=False)
    (tmp_path / name).mkdir()
    refuse_occupied(tmp_path / "out", resume=False)
    (tmp_path / name / "mine.txt").write_text("keep")
    with pytest.raises(DestinationError, match=rf"{name} is not empty: .* --resume"):
        refuse_occupied(tmp_path / "out", resume=False)


def test_a_destination_of_an_interrupted_run_is_taken_to_resume_and_no_other(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "0.png").write_bytes(b"")
    with pytest.raises(DestinationError, match="there is no run to resume"):
        refuse_occupied(tmp_path / "out", resume=True)
    (tmp_path / "out.private").mkdir()
    (tmp_path / "out.private" / "manifest.json").write_text("{}")
    refuse_occupied(tmp_path / "out", resume=True)


@pytest.mark.parametrize("name", ["out", "out.private"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_file_in_the_way_is_refused(tmp_path, name, resume):
    (tmp_path / name).write_text("mine")
    with pytest.raises(DestinationError, match=f"{name} is a file"):
        refuse_occupied(tmp_path / "out", resume=resume)


def test_the_private_folder_lies_beside_whatever_the_destination_is_called(tmp_path, monkeypatch):
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "below")
    below, here = tmp_path / "here" / "below.private", tmp_path / "here.private"
    for name, expected in {".": below, "..": here, "../below": below, "x": "x.private"}.items():
        found = private_beside(Path(name))
        assert found.resolve() == (tmp_path / "here" / "below" / expected).resolve()
    with pytest.raises(DestinationError, match="cannot be a destination"):
        private_beside(Path("/"))
