"""What people do on the chat page, in a real browser that reaches this machine only."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.app.chat.conftest import ChatPage
from tests.app.chat.fakes import chat_app, geotiff
from tests.app.chat.marks import BROWSER
from tests.browser import Browser, serving, until

pytestmark = BROWSER

#: Chooses an option of an open list by its words.
_CHOOSE = """
const option = [...document.querySelectorAll("[role=option]")].find(
  (o) => o.textContent.trim().endsWith(arguments[0]));
if (option) option.dispatchEvent(new MouseEvent("mousedown", {bubbles: true}));
return Boolean(option);
"""


def test_a_click_before_the_page_knows_what_there_was_is_not_lost(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gradio")
    from rsvlm.app.chat.handlers import Handlers

    load = Handlers.load

    async def slow(self: Handlers, tab: Any, request: Any) -> AsyncIterator[Any]:
        shown = [one async for one in load(self, tab, request)]
        await asyncio.sleep(3)  # what it found is old by then
        for one in shown:
            yield one

    # Gradio looks at the signature for the request that it is to hand over.
    slow.__annotations__ = load.__annotations__
    monkeypatch.setattr(Handlers, "load", slow)
    with serving(chat_app(tmp_path)) as address:
        page = ChatPage(browser, address).start()
        page.pick()
        time.sleep(4)
        assert browser.all(".example")


def test_a_newcomer_asks_about_a_sample_and_takes_a_geojson_away(
    page: ChatPage, downloads: Path
) -> None:
    page.browser.shot("1-start")
    page.pick()
    page.browser.shot("2-image")
    page.browser.all(".example")[0].click()
    until(page.turns)
    assert page.text(".turn .question h3") == "Where are the tennis courts?"
    assert page.text(".said") == "Found 1 tennis court and 1 pond."
    assert "Very sure (93 %)" in page.text(".sure")
    assert "Rests on the optical image." in page.text(".rests")
    assert page.text(".chip").startswith("1 tennis court")
    until(lambda: "tennis court" in page.viewer("return document.body.innerText"))
    page.browser.wait(".trace summary").click()
    page.browser.wait(".trace [data-goto]")
    page.browser.shot("3-answer")
    page.browser.wait("a[href$='regions.geojson']").click()
    file = downloads / "wye-mills-1-regions.geojson"
    until(file.exists)
    found = json.loads(file.read_text())
    assert [f["properties"]["label"] for f in found["features"]] == [
        "tennis court", "pond",
    ]  # fmt: skip
    west, south = found["features"][0]["geometry"]["coordinates"][0][0]
    assert -77 < west < -75 < 38 < south < 40
    page.unspoilt()


def test_masks_pictures_and_json_can_be_taken_away(
    page: ChatPage, downloads: Path
) -> None:
    import rasterio
    from PIL import Image

    from rsvlm.answer import Answer

    page.pick().ask("Where are they?")
    for name in ("mask-0.tif", "overlay-0.png", "answer.json"):
        page.browser.wait(f"a[href$='{name}']").click()
    mask = downloads / "wye-mills-1-mask-1.tif"
    picture = downloads / "wye-mills-1-picture-1.png"
    answer = downloads / "wye-mills-1-answer.json"
    until(lambda: mask.exists() and picture.exists() and answer.exists(), 40)
    with rasterio.open(mask) as file:
        assert (file.width, file.height) == (512, 512)
        assert file.crs.to_epsg() == 26918
        assert file.transform.c == 405_000
        values = file.read(1)
    assert values[50, 40] == 1
    assert values[100, 130] == 2
    assert not values[300:].any()
    with Image.open(picture) as png:
        assert png.width >= 512
    read = Answer.model_validate_json(answer.read_text())
    assert len(read.regions) == 2
    assert read.images[0].path == "wye-mills.tif"  # no path of the server


def test_uploads_of_two_sensors_are_asked_about_together(
    page: ChatPage, tmp_path: Path
) -> None:
    optical, radar = tmp_path / "port optical.tif", tmp_path / "port_S1_VV.tif"
    optical.write_bytes(geotiff(200, 160))
    radar.write_bytes(_radar(200, 160))
    page.upload(optical, radar)
    until(lambda: len(page.browser.all("#bar .image")) == 2)
    assert "1. port optical.tif" in page.text("#bar")
    page.ask("What do they show?")
    badges = [badge.text for badge in page.browser.all(".badge")]
    assert badges == ["Optical (image 1)", "Radar (image 2)"]
    assert "radar image" in page.text(".chip")
    page.browser.shot("two-sensors")
    page.browser.all("[aria-label^='Take port optical']")[0].click()
    until(lambda: len(page.browser.all("#bar .image")) == 1)
    page.unspoilt()


def test_a_broken_upload_is_told_and_the_conversation_goes_on(
    page: ChatPage, tmp_path: Path
) -> None:
    page.pick()
    broken = tmp_path / "holiday.tif"
    broken.write_text("<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>")
    page.upload(broken)
    words = page.text("[role=alert]")
    assert "holiday.tif" in words
    assert str(tmp_path) not in words
    assert "Traceback" not in words
    page.browser.shot("told")
    page.ask("Where are the tennis courts?")
    assert not page.browser.all("[role=alert]")
    page.unspoilt()


def test_a_follow_up_refers_back(page: ChatPage) -> None:
    page.pick().ask("Where are they?")
    turn = page.ask("and the second one?")
    assert "The second one is a pond." in turn.text
    until(lambda: len(page.browser.all("#past .turn")) == 2)


def test_another_answer_replaces_the_last(page: ChatPage) -> None:
    page.pick().ask("Where are they?")
    page.browser.wait("[data-act=again]").click()
    until(lambda: "Try 1." in page.text("#past"))
    page.browser.wait("[data-act=again]").click()
    until(lambda: "Try 2." in page.text("#past"))
    assert len(page.turns()) == 1


def test_task_and_shape_can_be_chosen(page: ChatPage) -> None:
    page.pick()
    page.browser.wait("#options button").click()
    for label, choice in (("Kind of answer", "Count"), ("Mark as", "Turned boxes")):
        page.browser.wait(f"input[aria-label='{label}']").click()
        until(lambda: page.browser.run(_CHOOSE, choice))  # noqa: B023
    page.browser.shot("options")
    page.ask("How many?")
    assert "task count · shape obb" in page.text(".turn .about")


def test_an_abstention_says_why(page: ChatPage) -> None:
    page.pick().ask("I am unsure: cars?")
    assert page.text(".said.abstained") == "Cars cannot be seen at 10 m per pixel."
    assert "No answer given, on purpose" in page.text(".sure")
    assert not page.browser.all("a[href$='regions.geojson']")


def test_a_citation_opens_its_passage(page: ChatPage) -> None:
    page.pick().ask("When was the airport opened?")
    assert not page.browser.run(
        "return document.querySelector('.sources details').open"
    )
    page.browser.wait(".cite").click()
    words = page.text(".sources")
    assert "The airport was opened in 1930." in words
    assert "Licence: CC0-1.0" in words
    assert "3.2 km away" in words
    assert not page.browser.all(".sources a")  # shown, not linked
    page.browser.shot("source")


def test_the_trace_leads_to_its_windows_and_shows_where_it_looked(
    page: ChatPage,
) -> None:
    page.pick().ask("Where are they?")
    page.browser.wait(".trace summary").click()
    steps = [step.text for step in page.browser.all(".trace li")]
    assert "Looked closer here (128 x 96 pixels at 0, 0)" in steps[2]
    page.browser.until("document.querySelector('.trace img').naturalWidth > 0")
    until(lambda: "N, 76" in page.viewer("return document.body.innerText"))
    assert "38.95138° N, 76.09560° W" not in page.viewer(
        "return document.body.innerText"
    )
    page.browser.all(".trace [data-goto]")[2].click()
    # The middle of the window is in the middle now.
    until(
        lambda: (
            "38.95138° N, 76.09560° W" in page.viewer("return document.body.innerText")
        )
    )
    page.browser.shot("window")


def test_a_chip_selects_its_region_in_the_viewer(page: ChatPage) -> None:
    page.pick().ask("Where are they?")
    page.browser.all(".chip")[1].click()
    page.browser.until("document.querySelector('.chip[data-chosen]') !== null")
    assert page.text(".chip[data-chosen]").startswith("2 pond")


def test_the_same_is_asked_by_a_program(page: ChatPage) -> None:
    page.pick().ask("Where are they?")
    page.browser.wait(".take summary").click()
    until(lambda: len(page.browser.all(".code pre")) == 2)
    assert f"{page.address}/v1/chat/completions" in page.text(".code pre")
    page.browser.wait("[data-copy]").click()
    until(lambda: page.text("[data-copy]") != "Copy")
    page.browser.shot("code")


def _radar(width: int, height: int) -> bytes:
    from rasterio.io import MemoryFile
    from rasterio.transform import from_origin

    random = np.random.default_rng(5)
    values = random.gamma(4, 0.02, (1, height, width)).astype("float32")
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=width, height=height, count=1, dtype="float32",
            crs="EPSG:26918", transform=from_origin(405_000, 4_312_000, 1, 1),
        ) as file:  # fmt: skip
            file.write(values)
            file.set_band_description(1, "VV")
        return bytes(memory.read())
