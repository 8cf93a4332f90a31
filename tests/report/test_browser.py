from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from unlearnable.report.page import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = "<img src=x onerror=alert(1)>"
# a page that shows another as a phone does, and writes down what became of it
PHONE = """<body><iframe src="NAME" width="375" height="800" onload="
  const page = this.contentDocument, root = page.documentElement;
  page.querySelectorAll('details').forEach(part => part.open = true);
  document.body.dataset.found = JSON.stringify({
    wider: root.scrollWidth - root.clientWidth,
    width: root.clientWidth,
    title: page.title,
    strange: page.querySelectorAll('script, [onerror], img:not([alt])').length,
    fetched: this.contentWindow.performance.getEntriesByType('resource').map(entry => entry.name),
  })"></iframe>"""


def opened(page: Path, tmp_path: Path) -> dict[str, object]:
    frame = page.with_name(f"phone-{page.name}")
    frame.write_text(PHONE.replace("NAME", page.name))
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
        *("--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}"),
        frame.as_uri(),
    ]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.search('data-found="([^"]*)"', shown)
    assert found, shown
    return dict(json.loads(html.unescape(found[1])))


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_it_opens_on_a_phone_without_a_network_and_does_no_harm(
    make_run: Callable[..., Path], tmp_path: Path, served: str
) -> None:
    run = make_run(protected=HOSTILE, classes=[HOSTILE + "x" * 200 + str(k) for k in range(10)])
    found = opened(write_report(run), tmp_path)
    assert found["title"] == f"Audit of {HOSTILE}"
    assert 0 < int(str(found["width"])) <= 375
    assert (found["wider"], found["strange"], found["fetched"]) == (0, 0, [])
    assert opened(write_report(run, public=True), tmp_path)["wider"] == 0

    (run / "bad.html").write_text(
        f"<title>bad</title><pre>{'x' * 500}</pre><img src={served}/x onerror=0>"
    )
    bad = opened(run / "bad.html", tmp_path)
    assert int(str(bad["wider"])) > 0 and bad["strange"] == 1 and bad["fetched"] == [f"{served}/x"]
