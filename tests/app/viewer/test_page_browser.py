"""Stories of somebody who looks at an image, in a real browser."""

import io

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.support.ui import Select

from tests.app.viewer.conftest import board
from tests.app.viewer.stories import DRAWN, PLACE, drag, opened, settled
from tests.browser import Browser, until

pytestmark = pytest.mark.browser


def test_zoom_and_pan_by_keyboard(browser: Browser, address: str, both: str) -> None:
    opened(browser, address, "images=optical")
    first = settled(browser)
    browser.run("document.querySelector('.area').focus()")
    browser.press("+", "+")
    second = settled(browser)
    assert second[0] == pytest.approx(first[0] * 2.25, rel=0.02)
    browser.press("\ue014")  # right
    third = settled(browser)
    assert third[0] == pytest.approx(second[0], rel=1e-3)
    assert third[4] == pytest.approx(second[4] - 80, abs=2)
    browser.shot(both)
    browser.press("0")
    assert settled(browser) == pytest.approx(first, abs=0.5)
    assert not browser.errors()
    assert not browser.outside()


def test_wheel_drag_and_buttons(browser: Browser, address: str, both: str) -> None:
    opened(browser, address, "images=optical")
    first = settled(browser)
    browser.wait("[data-do=zoom-in]").click()
    assert settled(browser)[0] == pytest.approx(first[0] * 1.5, rel=0.02)
    before = settled(browser)
    drag(browser, ".area", (-60, -40))
    after = settled(browser)
    assert after[4] < before[4] - 40
    assert after[5] < before[5] - 25
    browser.wait("[data-do=native]").click()
    assert settled(browser)[0] == pytest.approx(1, rel=0.02)


def test_the_pixels_lie_where_the_overlay_says(
    browser: Browser, address: str, both: str
) -> None:
    """A colour of the picture is found under the place that the overlay has for it."""
    opened(browser, address, "images=board")
    browser.wait("[data-do=native]").click()
    settled(browser)
    browser.until(DRAWN % 1)
    a, _, _, d, e, f = browser.run(f"return {PLACE}")
    left, top = browser.run(
        "const box = document.querySelector('.area').getBoundingClientRect();"
        "return [box.left, box.top]"
    )
    data = io.BytesIO(browser.driver.get_screenshot_as_png())
    seen, true = np.asarray(Image.open(data).convert("RGB")), board()
    # Two pixels beside the edges of squares.
    for x, y in ((562, 442), (597, 442), (642, 477), (522, 402), (677, 517)):
        at = seen[round(top + d * (y + 0.5) + f), round(left + a * (x + 0.5) + e)]
        assert abs(int(at[0]) - int(true[0, y, x])) < 100, (x, y)


def test_scale_bar_and_coordinates(browser: Browser, address: str, both: str) -> None:
    opened(browser, address, "images=optical")
    a, _, _, _, e, _ = settled(browser)
    bar = browser.wait(".scale-bar")
    text = bar.get_attribute("aria-label").removeprefix("Scale bar: ")
    metres = float(text.split()[0]) * {"km": 1000, "m": 1}[text.split()[1]]
    assert bar.size["width"] == pytest.approx(metres / 10 * a, abs=2)  # 10 m a pixel
    area = browser.wait(".area")
    ActionChains(browser.driver).move_to_element_with_offset(area, 60, 40).perform()
    words = browser.wait(".where").text
    pixel = [float(n) for n in words.split("·")[1].removesuffix("px").split(",")]
    x = (area.size["width"] / 2 + 60 - e) / a
    assert pixel[0] == pytest.approx(x, abs=1.5)
    lon, lat = Transformer.from_crs(32611, 4326, always_xy=True).transform(
        380_000 + 10 * (pixel[0] + 0.5), 3_770_000 - 10 * (pixel[1] + 0.5)
    )
    degrees = [float(part.split("°")[0]) for part in words.split("·")[0].split(",")]
    assert degrees == pytest.approx([lat, -lon], abs=1.2e-4)
    assert "N" in words
    assert "W" in words
    browser.shot(both)


def test_an_image_without_a_place_has_pixels(browser: Browser, address: str) -> None:
    opened(browser, address, "images=bare")
    settled(browser)
    assert browser.wait(".scale-bar").text.endswith("px")
    assert "°" not in browser.wait(".where").text


def test_bands_and_brightness(browser: Browser, address: str, both: str) -> None:
    opened(browser, address, "images=optical")
    Select(browser.wait(".picture select")).select_by_visible_text("own bands")
    browser.wait(".picture summary").click()
    Select(browser.wait("[aria-label=Red]")).select_by_value("3")
    Select(browser.wait("[aria-label=Brightness]")).select_by_value("minmax")
    browser.run(
        "const g = document.querySelector('[aria-label=Gamma]'); g.value = 2; g.dispatchEvent(new Event('change'))"
    )
    wanted = ("bands=3%2C2%2C3", "stretch=minmax", "gamma=2")
    until(lambda: any(all(w in url for w in wanted) for url in browser.requests()))
    browser.until(DRAWN % 1)
    browser.shot(both)
    assert not browser.errors()
