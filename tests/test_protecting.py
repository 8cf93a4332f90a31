import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unlearnable import Budget, Noise, RandomNoise, protect
from unlearnable.data.files import decode
from unlearnable.data.shapes import shapes
from unlearnable.data.sources import open_images
from unlearnable.errors import DestinationError, SettingError, SourceError
from unlearnable.storage import sha256_file

SMALL_SEARCH = ["--surrogate", "resnet18:4", "--set", "batches=1", "--set", "batch_size=32"]
SMALL_SEARCH += ["--set", "rounds=3", "--set", "stop_error=0"]
SMALL_SEARCH += ["--set", "sweep_batch=128", "--set", "threads=1"]  # what a busy machine may sway


@pytest.fixture
def images(tmp_path) -> Path:
    file, made = tmp_path / "shapes.npz", shapes(700)
    np.savez(file, images=made.images, labels=made.labels, classes=np.array(made.classes))
    return file


def small():
    made = shapes(20)
    return made.images, made.labels, made.classes


def test_the_published_folder_holds_images_only_and_the_private_one_is_private(tmp_path):
    done = protect(small(), tmp_path / "out", method="random", seed=5)
    published = [path for path in done.destination.rglob("*") if path.is_file()]
    assert len(published) == 20 and {path.suffix for path in published} == {".png"}
    assert stat.S_IMODE(done.private.stat().st_mode) == 0o700
    kept = [path for path in done.private.rglob("*") if path.is_file()]
    assert {"manifest.json", "noise.npy", "noise.json"} <= {path.name for path in kept}
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_the_manifest_holds_what_was_read_back(tmp_path):
    done = protect(small(), tmp_path / "out", method="random", budget=Budget("linf", 4))
    manifest = json.loads((done.private / "manifest.json").read_text())
    assert manifest["state"] == "complete" and manifest["largest_change"] == 4
    assert 30 < manifest["psnr"] < 60 and 0.5 < manifest["ssim"] < 1
    assert len(manifest["files"]) == 20
    for file in manifest["files"]:
        assert sha256_file(done.destination / file["name"]) == file["sha256"]
        assert 0 < file["change"] <= 4


def test_files_are_the_originals_plus_the_saved_noise(tmp_path):
    data = small()
    done = protect(data, tmp_path / "out", method=RandomNoise(form="class-wise"))
    noise = Noise.load(done.private)
    first = decode(done.destination / "bars" / "00001.png").pixels
    expected = np.clip(data[0][0].astype(int) + noise.values[0].transpose(1, 2, 0), 0, 255)
    assert np.array_equal(first, expected)


def test_a_seed_is_drawn_in_secret_kept_privately_and_in_no_published_file(tmp_path):
    one, two = (protect(small(), tmp_path / n, method="random") for n in "ab")
    seeds = [done.manifest["settings"]["seed"] for done in (one, two)]
    assert seeds[0] != seeds[1] and min(seeds) > 2**20
    for path in one.destination.rglob("*.png"):
        assert str(seeds[0]).encode() not in path.read_bytes()
        with Image.open(path) as image:
            assert image.info == {}


def test_a_finished_run_can_be_resumed_and_mends_what_was_damaged(tmp_path):
    done = protect(small(), tmp_path / "out", method="random")
    victim = done.destination / done.manifest["files"][3]["name"]
    before = victim.read_bytes()
    victim.write_bytes(before[:50])
    protect(small(), tmp_path / "out", method="random", resume=True)
    assert victim.read_bytes() == before


def test_resuming_with_nothing_there_begins_anew(tmp_path):
    done = protect(small(), tmp_path / "out", method="random", resume=True)
    assert done.manifest["state"] == "complete"


def test_resuming_with_other_settings_or_images_is_refused(tmp_path):
    protect(small(), tmp_path / "out", method="random", seed=1)
    with pytest.raises(SettingError, match="the interrupted run had seed=1, not 2"):
        protect(small(), tmp_path / "out", method="random", seed=2, resume=True)
    with pytest.raises(SettingError, match=r"had budget\.size=8, not 4"):
        protect(small(), tmp_path / "out", method="random", budget=Budget("linf", 4), resume=True)
    other, labels, classes = small()
    with pytest.raises(SourceError, match="not those of the interrupted run"):
        protect((255 - other, labels, classes), tmp_path / "out", method="random", resume=True)


def test_a_destination_in_use_or_full_of_other_things_is_refused(tmp_path):
    protect(small(), tmp_path / "out", method="random")
    with pytest.raises(DestinationError, match="not empty: choose another"):
        protect(small(), tmp_path / "out", method="random")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("mine")
    with pytest.raises(DestinationError, match="not empty, and there is no run to resume"):
        protect(small(), tmp_path / "letters", method="random", resume=True)


def command(source: Path, destination: Path, *more: str) -> list[str]:
    start = [sys.executable, "-m", "unlearnable", "protect", str(source), str(destination)]
    return [*start, "--seed", "3", "--device", "cpu", *SMALL_SEARCH, *more]


def everything(destination: Path) -> dict[str, bytes]:
    files = {
        str(path.relative_to(destination)): path.read_bytes() for path in destination.rglob("*.png")
    }
    noise = destination.with_name(destination.name + ".private") / "noise.npy"
    return {**files, "noise": noise.read_bytes()}


def killed_once(condition, *arguments: str) -> bool:
    """Start a run, kill it with SIGKILL as soon as a condition holds; whether it was in time."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not condition():
        time.sleep(0.002)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


def test_killed_at_any_moment_a_run_goes_on_to_the_same_bytes(tmp_path, images):
    whole = tmp_path / "whole"
    started = time.monotonic()
    subprocess.run(command(images, whole), check=True, capture_output=True)
    seconds = time.monotonic() - started
    expected = everything(whole)
    assert len(expected) == 701

    broken = tmp_path / "broken"
    private = tmp_path / "broken.private"
    moment = int.from_bytes(os.urandom(4), "big") / 2**32 * seconds
    began = time.monotonic()
    moments = [
        (private / "search.safetensors").exists,
        lambda: sum(1 for _ in broken.rglob("*.png")) > 40,
        lambda: time.monotonic() - began > moment,
    ]
    in_time = []
    for condition in moments:
        began = time.monotonic()
        in_time.append(killed_once(condition, *command(images, broken, "--resume")))
        names = [path.name for path in broken.rglob("*") if path.is_file()]
        assert all(name.endswith(".png") for name in names)
    assert in_time[0] and in_time[1]
    subprocess.run(command(images, broken, "--resume"), check=True, capture_output=True)
    assert everything(broken) == expected


def test_a_second_run_into_one_destination_is_refused(tmp_path, images):
    out = tmp_path / "out"
    first = subprocess.Popen(command(images, out), stderr=subprocess.DEVNULL)
    while not (tmp_path / "out.private" / "manifest.json").exists():
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)  # it keeps its lock while the second one tries
    second = subprocess.run(
        command(images, out, "--resume"), capture_output=True, text=True, check=False
    )
    first.kill()
    first.wait()
    assert second.returncode == 2
    assert second.stderr.startswith("error: another run is writing to")
    assert second.stderr.count("\n") == 1


INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from unlearnable.cli import main; main()"
)
"""The command line, also where the tests run in the background and inherit a deaf ear to SIGINT."""


def test_an_interrupt_leaves_a_state_to_go_on_from(tmp_path, images):
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", INTERRUPTIBLE, *command(images, out)[3:]]
    first = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "out.private" / "search.safetensors").exists():
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate()
    assert first.returncode == 130 and "--resume" in said and "Traceback" not in said


@pytest.mark.parametrize("form", ["sample-wise", "class-wise"])
def test_a_share_of_some_classes_is_protected_and_the_rest_is_only_copied(tmp_path, form):
    images = shapes(60)
    done = protect(
        images,
        tmp_path / "out",
        method=RandomNoise(form=form),
        rate=0.5,
        classes=["disc", "star"],
        seed=1,
    )
    changed = {file["name"] for file in done.manifest["files"] if file["change"] > 0}
    assert len(changed) == 6 == done.manifest["protected"]
    assert {name.split("/")[0] for name in changed} == {"disc", "star"}
    published = open_images(tmp_path / "out")
    place = {name: row for row, name in enumerate(published.names)}
    for row, name in enumerate(images.names):
        same = np.array_equal(images.images[row], published.images[place[name]])
        assert same == (f"{name}.png" not in changed)
    assert done.manifest["psnr"] < 50, "of the protected images alone"


def test_the_part_that_is_protected_must_exist_and_stay_the_same(tmp_path):
    for given, match in (({"rate": 0}, "rate 0"), ({"classes": ["cat"]}, "choose one of bars")):
        with pytest.raises(SettingError, match=match):
            protect(shapes(20), tmp_path / "out", method="random", seed=1, **given)
    with pytest.raises(KeyboardInterrupt):
        protect(shapes(20), tmp_path / "two", method="random", rate=0.5, seed=1, tell=interrupt)
    with pytest.raises(SettingError, match=r"rate=0\.5,"):
        protect(shapes(20), tmp_path / "two", method="random", seed=1, resume=True)


def interrupt(stage, share, /, **figures):
    raise KeyboardInterrupt
