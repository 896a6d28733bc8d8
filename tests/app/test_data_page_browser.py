"""The page of ``rsvlm data show`` in a real browser."""

import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from rsvlm.app.data_page import Chosen, show
from rsvlm.data_engine.build import build

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_the_page_shows_and_breaks_no_rule_of_its_own(tmp_path: Path) -> None:
    build("smoke", tmp_path, tmp_path / "built")
    show(tmp_path / "built/train.jsonl", tmp_path / "page.html", Chosen(6, "detect"))
    shot = tmp_path / "page.png"
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
            "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1000,3000", f"--screenshot={shot}",
            (tmp_path / "page.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    assert "Content Security Policy" not in done.stderr
    assert "CONSOLE" not in done.stderr
    colours = {
        colour for _, colour in Image.open(shot).convert("RGB").getcolors(1 << 20) or []
    }
    assert (47, 111, 179) in colours  # a bar
    assert (0, 229, 255) in colours  # a drawn region
    assert len(colours) > 500  # and pictures
