"""The report in a real browser."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rsvlm.eval.report import write_report

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_shows_and_breaks_no_rule_of_its_own(
    make_run: Any, image_folder: Path, tmp_path: Path
) -> None:
    folder = make_run("a", [1, 0] * 10, groups={"type=even": 1.0, "type=odd": 0.0})
    write_report([folder], tmp_path / "out", {"toy": image_folder})
    shot = tmp_path / "page.png"
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
            "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1000,1400", f"--screenshot={shot}",
            (tmp_path / "out" / "report.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert "Content Security Policy" not in done.stderr
    assert "CONSOLE" not in done.stderr
    colours = {
        colour for _, colour in Image.open(shot).convert("RGB").getcolors(1 << 20) or []
    }
    assert (47, 111, 179) in colours  # a bar
    assert (0, 229, 255) in colours  # the key of the reference
    assert len(colours) > 50  # and pictures
