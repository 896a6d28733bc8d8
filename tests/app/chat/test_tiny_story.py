"""The way of a newcomer with the shipped checkpoint."""

import json
from pathlib import Path

import pytest

from rsvlm import assets
from tests.app.chat.conftest import ChatPage
from tests.app.chat.marks import BROWSER
from tests.browser import Browser, serving, until

pytestmark = [*BROWSER, pytest.mark.slow, pytest.mark.model]


def test_the_shipped_checkpoint_finds_the_court_of_the_sample_scene(
    browser: Browser, downloads: Path, tmp_path: Path
) -> None:
    pytest.importorskip("gradio")
    if assets.cached("wye-mills") is None:
        pytest.skip("fetch the sample scenes first: rsvlm assets fetch")
    from rsvlm.app.server.settings import read_settings
    from rsvlm.app.serving import build_server

    settings = read_settings(given={"data": tmp_path / "data"})
    with serving(build_server(settings).config.app) as address:
        page = ChatPage(browser, address).start()
        page.pick()
        browser.all(".example")[0].click()
        until(page.turns, 180)
        browser.shot("answer")
        assert page.text(".said") == "Found 2 tennis courts."
        page.send(browser.wait(".example").text)  # how large is it?
        until(lambda: len(page.turns()) == 2, 180)
        assert "2 tennis courts, covering 1,3" in page.turns()[1].text  # of outlines
        browser.shot("follow-up")
        browser.wait("a[href$='regions.geojson']").click()
        file = downloads / "wye-mills-1-regions.geojson"
        until(file.exists)
        court, _ = json.loads(file.read_text())["features"]
        west, south = court["geometry"]["coordinates"][0][0]
        assert (round(west, 3), round(south, 3)) == (-76.084, 38.950)
        assert not browser.outside()
