from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from unlearnable.report.material import read_run
from unlearnable.report.page import write_report
from unlearnable.report.public import redacted

MIDDLE, TIMES = 128, 10


def embedded(text: str) -> list[NDArray[np.uint8]]:
    """Every image within a page."""
    coded = re.findall(r"data:[^\"')]*?base64,([A-Za-z0-9+/=]+)", text)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in coded]


def test_whoever_has_the_private_page_can_take_the_noise_off(make_run: Callable[..., Path]) -> None:
    run = make_run()
    held = np.load(run / "samples.npz")
    images = embedded(write_report(run).read_text())
    assert len(images) == 3 * len(held["clean"]) + 1
    for k, clean in enumerate(held["clean"]):
        shown, protected = images[3 * k + 1].astype(int), images[3 * k + 2].astype(int)
        noise = (shown - MIDDLE) // TIMES
        assert np.abs(noise).max() == 8
        assert np.array_equal(protected - noise, clean)


def test_from_the_public_page_nothing_of_the_noise_can_be_had(
    make_run: Callable[..., Path],
) -> None:
    run = make_run()
    before = (run / "audit.json").read_text()
    file = write_report(run, public=True)
    text = file.read_text()
    assert file.name == "report-public.html" and "Public report" in text
    assert embedded(text) == [] and "data:" not in text and "<img" not in text
    for secret in secrets(run):
        assert secret not in text.lower(), secret
    assert not re.search("[0-9a-f]{16}", text.lower())
    assert (run / "audit.json").read_text() == before


def secrets(run: Path) -> list[str]:
    audit = json.loads((run / "audit.json").read_text())
    cells = [json.loads(file.read_text()) for file in (run / "cells").iterdir()]
    names = [audit[key] for key in ("protected", "clean", "test")] + audit["classes"]
    names += [*np.load(run / "samples.npz")["names"].tolist(), "a.jpg"]
    hashes = [cell["id"] for cell in cells] + [cell["settings"]["train"] for cell in cells]
    return [*names, *hashes, "seed", str(audit["method"]["seed"])]


def test_it_says_the_same_verdict_and_every_figure(make_run: Callable[..., Path]) -> None:
    run = make_run()
    audit = json.loads((run / "audit.json").read_text())
    text = write_report(run, public=True).read_text()
    assert f"{audit['verdict']['learnability']:.2f}</span> learnability" in text
    for row in audit["rows"]:
        assert f"<td>{row['low']:.2f} to {row['high']:.2f}</td>" in text
    assert "class 10" in text and "trainings and test images" in text


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ({"steps": 6}, True),
        ({"surrogate": "resnet18.a1_in1k"}, True),
        ({"nested": {"rate": 0.1}}, True),
        ({"seed": 6}, False),
        ({"number": 271828182845}, False),
        ({"weights": "/home/ann/w"}, False),
        ({"weights": "ann.pth"}, False),
        ({"train": "0123456789abcdef"}, False),
        ({"nested": {"image_digest": "x"}}, False),
        ({"several": ["ann.png"]}, False),
    ],
)
def test_a_setting_that_may_be_a_key_or_a_place_is_left_out(
    make_run: Callable[..., Path], setting: dict[str, Any], shown: bool
) -> None:
    audit = redacted(read_run(make_run(method={"name": "em"} | setting))).audit
    kept = json.dumps(audit["method"])
    leaf = json.dumps(setting).strip("{}").partition(": ")[2].strip('[]{}"')
    assert (leaf in kept) == shown


def test_a_countermeasure_named_after_a_file_is_numbered(make_run: Callable[..., Path]) -> None:
    run = make_run()
    for file in (run / "audit.json", *(run / "cells").iterdir()):
        file.write_text(file.read_text().replace("jpeg:10", "pretrained:/home/ann/w.pt"))
    text = write_report(run, public=True).read_text()
    assert "ann" not in re.findall(r"\w+", text) and "countermeasure 2" in text
