import errno
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from unlearnable import cli


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process: its status, standard output and standard error."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["unlearnable", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return command


@pytest.fixture
def refused(run, tmp_path):
    """Protect something that must be refused at once, with nothing written; give the sentence."""

    def protect(source, *options, destination=None):
        before = everything_below(tmp_path)
        destination = destination or tmp_path / "out"
        status, out, err = run("protect", source, destination, "--method", "random", *options)
        assert status == 2 and out == ""
        assert everything_below(tmp_path) == before
        return the_sentence(err)

    return protect


def the_sentence(err):
    assert err.startswith("error: ") and err.endswith(".\n") and err.count("\n") == 1
    return err


def everything_below(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_no_such_folder(refused, tmp_path):
    said = refused(tmp_path / "nowhere")
    assert f"there is no folder {tmp_path / 'nowhere'}" in said and "cifar10" in said


def test_a_file_where_a_folder_should_be(refused, photos):
    assert "0.jpg is a file: give a folder" in refused(photos() / "cat" / "0.jpg")


def test_no_images(refused, tmp_path):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "cat" / "notes.txt").write_text("none here")
    said = refused(tmp_path / "photos")
    assert "no images in" in said and ".jpg" in said


def test_a_flat_folder(refused, photos):
    flat = photos() / "cat"
    said = refused(flat)
    assert f"{flat} is flat" in said and f"{flat}/cats/0.jpg" in said


def test_one_class_only(refused, photos):
    said = refused(photos(classes=("cat",)))
    assert "one class only (cat)" in said and "at least two" in said


def cut_a_jpeg(path):
    path.write_bytes(path.read_bytes()[:-200])


def empty(path):
    path.write_bytes(b"")


def put_text(path):
    path.write_text("this is no picture\n" * 50)


DAMAGES = [cut_a_jpeg, empty, put_text]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_image_is_named_with_the_way_out(refused, photos, damage):
    folder = photos(size=(32, 32))
    damage(folder / "cat" / "0.jpg")
    said = refused(folder)
    assert f"{folder / 'cat' / '0.jpg'} cannot be used" in said and "--skip-unreadable" in said


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_image_is_left_out_and_listed_if_asked(run, photos, tmp_path, damage):
    folder = photos(size=(32, 32), each=3)
    damage(folder / "cat" / "0.jpg")
    status, out, err = run(
        "protect", folder, tmp_path / "out", "--method", "random", "--skip-unreadable"
    )
    assert status == 1 and out.startswith("5 files in")
    assert "1 images cannot be read, and are left out" in err
    assert err.splitlines()[-1].startswith(f"left out: {folder / 'cat' / '0.jpg'} cannot be used")
    published = (tmp_path / "out").glob("*/*")
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in published)
    assert names == ["cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png"]


def test_an_image_of_a_kind_that_would_change_silently(refused, photos, pixels):
    folder = photos()
    Image.fromarray(pixels(16, 16, 4), "CMYK").save(folder / "dog" / "print.jpg")
    assert "print.jpg cannot be used: its colour mode CMYK" in refused(folder)


def test_a_name_that_is_no_text_makes_no_trouble(refused, photos):
    folder = photos()
    with open(os.fsencode(folder / "cat") + b"/\xff.jpg", "wb") as file:  # noqa: PTH123
        file.write(b"text")
    assert "cat/\\udcff.jpg cannot be used" in refused(folder)


def test_a_class_with_no_image(refused, photos):
    folder = photos()
    (folder / "bird").mkdir()
    assert "the class bird has no image" in refused(folder)


def test_an_image_under_eight_pixels(refused, photos, pixels):
    folder = photos()
    Image.fromarray(pixels(5, 40, 3)).save(folder / "dog" / "strip.png")
    said = refused(folder)
    assert "strip.png is 40×5 pixels" in said and "at least 8×8" in said


def test_two_files_that_would_become_one(refused, photos):
    folder = photos()
    shutil.copy(folder / "cat" / "1.png", folder / "cat" / "0.png")
    said = refused(folder)
    assert "cat/0.jpg and" in said and "cat/0.png would both become cat/0.png: rename" in said


@pytest.mark.parametrize("place", [".", "out", "cat/deep", "..", "../elsewhere/../photos/out"])
def test_a_destination_in_the_source_or_around_it(refused, photos, place):
    folder = photos()
    said = refused(folder, destination=folder / place)
    assert "is, holds or lies inside the source" in said
    assert f"for example {folder}-protected" in said


def test_a_destination_that_is_not_empty(refused, photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    said = refused(photos())
    assert "out is not empty: choose another destination" in said and "--resume" in said


def test_a_destination_below_a_file(refused, photos, tmp_path):
    (tmp_path / "file").write_text("mine")
    said = refused(photos(), destination=tmp_path / "file" / "out")
    assert "cannot be written (Not a directory): choose another destination" in said


@pytest.mark.parametrize(
    ("epsilon", "words"),
    [
        ("0.03", "8/255 is written 8 (for 0.03, write 8)"),
        ("0", "epsilon 0 is not above zero"),
        ("-3", "epsilon -3 is not above zero"),
        ("7.5", "epsilon 7.5 is not a whole number"),
        ("256", "over the full range of 255"),
    ],
)
def test_a_budget_that_is_none(refused, photos, epsilon, words):
    assert words in refused(photos(), "--epsilon", epsilon)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--norm", "l2"], "published with linf, so say how much by --epsilon"),
        (["--norm", "l1"], "unknown norm 'l1'"),
        (
            ["--method", "em", "--norm", "l2", "--epsilon", "300"],
            "--norm l2: this noise is made under linf.",
        ),
        (["--norm", "l2", "--epsilon", "300", "--masking"], "--masking needs the norm linf"),
        (["--method", "lsp", "--norm", "l0", "--epsilon", "3"], "is made under linf or l2."),
        (["--method", "ops+em", "--epsilon", "8"], "as in --set em.epsilon=8"),
        (["--method", "tap+nosuch"], "unknown method 'nosuch'"),
        (["--method", "cuda", "--masking"], "--masking needs the norm linf, not none"),
        (["--method", "cuda", "--form", "class-wise"], "form=class-wise is not sample-wise"),
    ],
)
def test_a_norm_that_does_not_go_with_the_rest(refused, photos, options, words):
    assert words in refused(photos(), *options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "emm"], "unknown method 'emm': choose one of em, "),
        (["--set", "steps=3"], "unknown setting 'steps': choose one of form."),
        (["--surrogate", "resnet18"], "unknown setting 'surrogate': choose one of form."),
        (["--method", "em", "--set", "nosuch=1"], "choose one of form, preset, surrogate, step,"),
        (["--method", "em", "--set", "rounds=many"], "rounds=many is not a whole number"),
        (["--method", "em", "--set", "rounds=2.5"], "rounds=2.5 is not a whole number"),
        (["--method", "em", "--set", "momentum=nan"], "momentum=nan is not a number"),
        (["--method", "em", "--set", "step=-1"], "step=-1.0 is out of range: it must be above 0"),
        (["--form", "both"], "form=both is not sample-wise or class-wise"),
        (["--set", "form"], "--set form: write it as key=value"),
        (["--size", "4"], "--size 4 is too small: it must be at least 8"),
        (["--device", "abacus"], "the device 'abacus' is not to be had here"),
    ],
)
def test_an_option_that_is_none(run, photos, tmp_path, options, words):
    status, out, err = run("protect", photos(), tmp_path / "out", "--method", "random", *options)
    assert status == 2 and out == "" and not (tmp_path / "out").exists()
    assert words in the_sentence(err)


def test_an_unknown_model_is_named_with_known_ones_and_does_not_block_the_destination(
    run, photos, tmp_path
):
    command = ["protect", photos(), tmp_path / "out"]
    status, out, err = run(*command, "--surrogate", "nosuch")
    assert status == 2 and out == ""
    assert "unknown model 'nosuch': choose one of resnet18, resnet34" in the_sentence(err)
    assert run(*command, "--method", "random")[0] == 0


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"text"])
def test_a_damaged_npz(refused, tmp_path, content):
    (tmp_path / "set.npz").write_bytes(content)
    assert "set.npz is not a readable .npz of plain arrays" in refused(tmp_path / "set.npz")


def test_an_npz_of_fractions(refused, tmp_path, pixels):
    np.savez(tmp_path / "set.npz", images=pixels(4, 8, 8, 3) / 255, labels=[0, 1, 0, 1])
    said = refused(tmp_path / "set.npz")
    assert "images of type float64" in said and "must be uint8" in said


def test_a_damaged_cifar(refused, tmp_path):
    place = tmp_path / "data" / "cifar-10-batches-bin"
    place.mkdir(parents=True)
    (place / "batches.meta.txt").write_text("airplane\nautomobile\n")
    (place / "data_batch_1.bin").write_bytes(b"\0" * 5000)
    said = refused("cifar10", "--data-dir", tmp_path / "data")
    assert "data_batch_1.bin is damaged" in said


@pytest.mark.parametrize("last", ["manifest.json", "noise.npy", "noise.json", "1.png"])
def test_no_space_left_is_said_and_the_run_goes_on_once_there_is_some(
    run, photos, tmp_path, monkeypatch, last
):
    replace = os.replace

    def full(source, target, **options):
        if os.fspath(target).endswith(last):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fspath(target))
        replace(source, target, **options)

    command = ["protect", photos(), tmp_path / "out", "--method", "random"]
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        status, out, err = run(*command)
    assert status == 2 and out == ""
    said = err.splitlines()[-1]
    assert said.startswith("error: no space is left for") and said.endswith("with --resume.")
    assert f"{last}: free some" in said
    assert "Traceback" not in err and err.count("error: ") == 1
    assert not list(tmp_path.rglob("*.part"))
    status, out, _ = run(*command, "--resume")
    assert status == 0 and out.startswith("4 files in")


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot reserve space")
def test_no_space_for_the_noise_is_found_before_it_is_searched(run, photos, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    status, _, err = run("protect", photos(), tmp_path / "out", "--method", "random")
    assert status == 2 and "error: no space is left for" in err.splitlines()[-1]
    assert not list(tmp_path.rglob("*.npy"))


def test_the_source_is_never_written_to(run, photos, tmp_path):
    folder = photos()
    before = everything_below(folder)
    status, _, _ = run("protect", folder, tmp_path / "out", "--method", "random")
    assert status == 0 and everything_below(folder) == before


def test_a_process_of_its_own_prints_one_line_and_ends_with_two(photos, tmp_path):
    folder = photos(size=(32, 32))
    cut_a_jpeg(folder / "dog" / "0.jpg")
    done = subprocess.run(
        [sys.executable, "-m", "unlearnable", "protect", folder, tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "0.jpg cannot be used: it is not a readable image" in the_sentence(done.stderr)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--epsilon", "abc"], "'--epsilon'"),
        (["--seed", "1.5"], "'--seed'"),
        (["--frob"], "--frob"),
    ],
)
def test_options_that_cannot_be_parsed(refused, photos, options, expected):
    said = refused(photos(), *options)
    assert expected in said and "see `unlearnable protect --help`" in said


def test_an_option_and_a_command_that_are_missing(run):
    status, out, err = run("audit", "somewhere")
    assert status == 2 and out == "" and "Missing option '--clean'" in the_sentence(err)
    status, out, err = run("frobnicate")
    assert status == 2 and out == "" and "frobnicate" in the_sentence(err)
    status, out, err = run()
    assert status == 2 and "protect" in out and err == ""


def test_a_source_that_is_too_long_for_a_path(refused):
    assert "there is no folder" in refused("x" * 5000)
