import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from unlearnable import RandomNoise, cli, protect
from unlearnable.countermeasures import COUNTERMEASURES
from unlearnable.data.shapes import shapes
from unlearnable.methods import METHODS
from unlearnable.schedules import SCHEDULES, Schedule
from unlearnable.telling import print_protection


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["unlearnable", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    return ended.value.code or 0, out, err


def test_help_answers_in_half_a_second_and_loads_no_torch():
    code = (
        "import sys; sys.argv = ['unlearnable', '--help']\n"
        "import atexit; atexit.register(lambda: print('torch' in sys.modules))\n"
        "from unlearnable.cli import main; main()"
    )
    seconds = []
    for _ in range(10):  # other tests run beside it
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        seconds.append(time.monotonic() - started)
    assert done.stdout.splitlines()[-1] == "False"
    assert all(command in done.stdout for command in ("protect", "audit", "methods", "demo"))
    assert min(seconds) < 0.5


def test_importing_the_package_loads_no_torch():
    code = "import sys, unlearnable; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_python_m_works_too():
    done = subprocess.run(
        [sys.executable, "-m", "unlearnable", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("unlearnable ")


def test_methods_are_listed_with_every_setting(monkeypatch, capsys):
    status, out, _ = run(monkeypatch, capsys, "methods")
    assert status == 0
    assert all(f"{name}:" in out for name in METHODS)
    assert "--set stop_error=0.01" in out
    _, out, _ = run(monkeypatch, capsys, "methods", "--json")
    assert set(json.loads(out)) == set(METHODS)


def test_protect_and_audit_speak_json_on_standard_output_alone(monkeypatch, capsys, tmp_path):
    out = str(tmp_path / "out")
    status, text, said = run(
        monkeypatch, capsys, "protect", "shapes", out, "--method", "random", "--json"
    )
    assert status == 0 and json.loads(text)["largest_change"] == 8
    assert "3000 images of 10 classes" in said and "keep to yourself" in said
    status, text, _ = run(
        monkeypatch, capsys, "audit", out, "--clean", "shapes", "--test", "shapes",
        "--out", str(tmp_path / "run"), "--arms", "nosuch", "--json",
    )  # fmt: skip
    assert status == 2 and text == ""


def test_settings_that_disagree_are_refused(monkeypatch, capsys, tmp_path):
    status, _, said = run(
        monkeypatch, capsys, "protect", "shapes", str(tmp_path / "out"),
        "--form", "class-wise", "--set", "form=sample-wise",
    )  # fmt: skip
    assert status == 2 and "disagree" in said
    status, _, said = run(
        monkeypatch, capsys, "protect", "shapes", str(tmp_path / "out"), "--set", "steps"
    )
    assert status == 2 and "key=value" in said


def test_countermeasures_are_listed_with_every_setting(monkeypatch, capsys):
    _, out, _ = run(monkeypatch, capsys, "countermeasures")
    assert all(f"{name}: " in out for name in COUNTERMEASURES)
    assert "jpeg:10" in out and "standard: none,gray,jpeg:10," in out
    _, out, _ = run(monkeypatch, capsys, "countermeasures", "--json")
    table = json.loads(out)["countermeasures"]
    assert table["at"]["settings"]["steps"]["default"] == 10


def test_an_audit_ends_in_words_and_its_report_can_be_made_anew(
    monkeypatch, capsys, tmp_path, photos
):
    clean, test = photos(each=6), photos("test", each=3, size=(20, 20))
    protected, folder = str(tmp_path / "out"), str(tmp_path / "run")
    run(monkeypatch, capsys, "protect", str(clean), protected, "--method", "random")
    monkeypatch.setitem(SCHEDULES, "quick", Schedule(epochs=1, batch_size=8))
    options = ["--clean", str(clean), "--test", str(test), "--out", folder]
    options += ["--models", "resnet18:2", "--countermeasures", "gray"]
    status, out, err = run(monkeypatch, capsys, "audit", protected, *options)
    assert status == 0
    assert "countermeasures: none, gray" in err
    assert "No verdict: " in out and "report.html" in out
    status, out, _ = run(monkeypatch, capsys, "report", folder, "--public")
    assert (status, out.strip()) == (0, f"{folder}/report-public.html")


def test_detect_gives_a_verdict(monkeypatch, capsys, tmp_path):
    protect(shapes(200), tmp_path / "out", method=RandomNoise("class-wise"), seed=0)
    status, out, _ = run(monkeypatch, capsys, "detect", str(tmp_path / "out"), "--json")
    assert status == 0 and json.loads(out)["verdict"] == "poisoned"


def test_a_key_protects_new_photos_and_gives_them_back(monkeypatch, capsys, tmp_path):
    out, key, new, more, back = (
        str(tmp_path / name) for name in ("out", "out.private", "new", "more", "back")
    )
    (tmp_path / "new" / "disc").mkdir(parents=True)
    Image.new("RGB", (32, 32), "grey").save(tmp_path / "new" / "disc" / "a.png")
    words = ["--method", "random", "--form", "class-wise", "--seed", "1"]
    assert run(monkeypatch, capsys, "protect", "shapes", out, *words)[0] == 0
    status, said, _ = run(monkeypatch, capsys, "apply", key, new, "--out", more)
    assert status == 0 and f"never {more}.private, nor the key" in said
    status, said, _ = run(monkeypatch, capsys, "remove", key, more, "--out", back)
    assert status == 0 and "1 photo without noise" in said
    pixels = Image.open(tmp_path / "back" / "disc" / "a.png").getcolors()
    assert pixels == [(1024, (128, 128, 128))]
    picture = tmp_path / "key.png"
    status, said, _ = run(monkeypatch, capsys, "inspect", key, "--picture", str(picture))
    assert status == 0 and "class-wise noise" in said and picture.exists()


@pytest.mark.parametrize(("bare", "said"), [(0.75, True), (0.2, False)])
def test_protect_says_when_the_surrogate_knows_the_pictures_without_noise(bare, said, capsys):
    manifest = {
        "search": {"reached": True, "errors": [0.0], "bare": bare},
        "files": [],
        "lossy": 0,
        **dict.fromkeys(("largest_change", "psnr", "ssim"), 0),
    }
    print_protection(manifest, Path("out"), Path("out.private"))
    assert ("knows 75% of the pictures without their noise" in capsys.readouterr().err) is said
