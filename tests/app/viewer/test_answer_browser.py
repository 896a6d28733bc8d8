"""Stories of somebody who looks at an answer, and compares images."""

import numpy as np
import pytest
from pyproj import Transformer
from selenium.webdriver.common.action_chains import ActionChains

from tests.app.viewer.stories import (
    DRAWN,
    EVIL,
    PLACE,
    drag,
    opened,
    say,
    settled,
    shown,
    told,
)
from tests.browser import Browser

pytestmark = pytest.mark.browser

LIST = ".list [data-region]"
SHAPES = "document.querySelector('.pane').querySelectorAll('g.region').length"
#: Pixels on the screen of the place of a raster pixel in a pane.
AT = """(() => {
  const pane = document.querySelectorAll('.pane')[%d];
  const [a, b, c, d, e, f] = pane.querySelector('.overlay > g').getAttribute('transform')
    .match(/-?[\\d.e+-]+/g).map(Number);
  const box = pane.querySelector('.area').getBoundingClientRect();
  return [a * %f + c * %f + e, b * %f + d * %f + f, box.width / 2, box.height / 2];
})()"""


def point_at(browser: Browser, x: float, y: float, pane: int = 0) -> ActionChains:
    """Return actions that begin with the pointer on a raster pixel."""
    left, top, *middle = browser.run(f"return {AT % (pane, x, y, x, y)}")
    area = browser.all(".area")[pane]
    return ActionChains(browser.driver).move_to_element_with_offset(
        area, round(left - middle[0]), round(top - middle[1])
    )


def test_regions_are_drawn_and_chosen(
    browser: Browser, address: str, both: str
) -> None:
    shown(browser, address, ["optical"])
    settled(browser)
    assert browser.run(f"return {SHAPES}") == 5
    point_at(browser, 300, 300).perform()
    browser.until("document.querySelector('g.region.hovered')")
    assert "ship 0.91" in browser.wait(".tag.strong").text
    point_at(browser, 300, 300).click().perform()
    assert told(browser, "rsvlm.selected")["region"] == 1
    assert (
        browser.wait(f"{LIST}[aria-pressed=true]").get_attribute("data-region") == "1"
    )
    # The hole of the mask belongs to nobody.
    point_at(browser, 850, 600).click().perform()
    browser.until("!document.querySelector('g.region.selected')")
    assert told(browser, "rsvlm.selected")["region"] is None
    point_at(browser, 850, 520).click().perform()
    browser.until("document.querySelector('g.region.mask.selected')")
    assert told(browser, "rsvlm.selected")["region"] == 4
    browser.shot(both)
    assert not browser.errors()
    assert not browser.outside()


def test_the_list_works_by_keyboard(browser: Browser, address: str) -> None:
    shown(browser, address, ["optical"])
    before = settled(browser)
    browser.run(f"document.querySelector('{LIST}').focus()")
    browser.press("\ue015", "\ue015", "\ue007")  # down, down, enter
    assert told(browser, "rsvlm.selected")["region"] == 3
    a, _, _, d, e, f = settled(browser)
    assert a > before[0] * 1.5
    width, height = browser.run(
        "const a = document.querySelector('.area'); return [a.clientWidth, a.clientHeight]"
    )
    assert [a * 200 + e, d * 700 + f] == pytest.approx([width / 2, height / 2], abs=3)
    browser.press("\ue00c")  # escape
    assert told(browser, "rsvlm.selected")["region"] is None


def test_filters_by_label_and_score(browser: Browser, address: str) -> None:
    shown(browser, address, ["optical"])
    browser.wait(".labels input").click()  # the commonest: ships
    browser.until(f"{SHAPES} === 3")
    assert browser.wait(".count").text == "3 of 5 shown"
    browser.run(
        "const s = document.querySelector('#panel [max=\"1\"]'); s.value = 0.68;"
        "s.dispatchEvent(new Event('input'))"
    )
    browser.until(f"{SHAPES} === 1")
    assert [one.text.split()[0] for one in browser.all(LIST)] == ["storage"]


def test_words_of_an_answer_are_never_markup(browser: Browser, address: str) -> None:
    shown(browser, address, ["optical"])
    point_at(browser, 1000, 120).click().perform()
    browser.until("document.querySelector('.tag.strong')")
    assert EVIL in browser.run(
        "return document.querySelector('.tag.strong').textContent"
    )
    assert not browser.all("#panel img, .tags img")
    assert browser.driver.title != "hacked"
    assert not browser.outside()
    assert not [url for url in browser.requests() if url.endswith("/x")]


def test_how_it_looked(browser: Browser, address: str, both: str) -> None:
    shown(browser, address, ["optical"])
    settled(browser)
    browser.run("document.querySelectorAll('#panel details')[1].open = true")
    assert len(browser.all(".overlay .scores image")) == 1
    steps = browser.all("ol.list button")
    assert [step.text.split()[0] for step in steps] == ["1", "2"]
    steps[0].click()
    a, _, _, d, e, f = settled(browser)
    width, height = browser.run(
        "const a = document.querySelector('.area'); return [a.clientWidth, a.clientHeight]"
    )
    assert [a * 600 + e, d * 650 + f] == pytest.approx([width / 2, height / 2], abs=3)
    browser.shot(both)
    for box in browser.all("#panel details:nth-of-type(2) input"):
        box.click()
    assert not browser.all(".overlay .scores image, .overlay .windows rect")


def test_asking_about_a_place(browser: Browser, address: str, both: str) -> None:
    shown(browser, address, ["optical"])
    before = settled(browser)
    browser.wait("[data-tool=box]").click()
    drag(browser, ".area", (120, 90))
    focus = told(browser, "rsvlm.focus")
    assert focus["image"] == 0
    x0, y0, x1, y1 = focus["box"]
    assert [x0, y0] == pytest.approx([600, 450], abs=4)  # from the middle
    assert [x1 - x0, y1 - y0] == pytest.approx([120 / before[0], 90 / before[3]], abs=4)
    assert settled(browser) == before  # the image has not been moved
    assert "pixels at" in browser.wait(".focus-part p").text
    browser.shot(both)
    browser.wait(".focus-part button").click()
    assert told(browser, "rsvlm.focus")["box"] is None
    browser.wait("[data-tool=point]").click()
    point_at(browser, 300, 300).click().perform()
    x0, y0, x1, y1 = told(browser, "rsvlm.focus")["box"]
    assert [(x0 + x1) / 2, (y0 + y1) / 2] == pytest.approx([300, 300], abs=4)
    browser.wait("[data-do=here]").click()
    box = told(browser, "rsvlm.focus")["box"]
    assert box == pytest.approx([0, 0, 1200, 900], abs=60)
    say(browser, {"type": "rsvlm.focus", "image": 0, "box": None})
    browser.driver.switch_to.frame(0)
    browser.until("document.querySelector('.focus-part').hidden")


def test_shift_and_drag_draws_as_well(browser: Browser, address: str) -> None:
    shown(browser, address, ["optical"])
    before = settled(browser)
    drag(browser, ".area", (80, 60), shift=True)
    x0, _, x1, _ = told(browser, "rsvlm.focus")["box"]
    assert x1 - x0 == pytest.approx(80 / before[0], abs=4)


def test_the_page_around_leads(browser: Browser, address: str) -> None:
    shown(browser, address, ["optical"])
    settled(browser)
    say(browser, {"type": "rsvlm.goto", "image": 0, "box": [100, 100, 200, 180]})
    browser.driver.switch_to.frame(0)
    assert settled(browser)[0] > 1.5
    say(browser, {"type": "rsvlm.select", "region": 2})
    browser.driver.switch_to.frame(0)
    browser.until(
        f"document.querySelector('{LIST}[aria-pressed=true]')?.dataset.region === '2'"
    )
    say(browser, {"type": "rsvlm.theme", "theme": "dark"})
    browser.driver.switch_to.frame(0)
    browser.until(
        "getComputedStyle(document.body).backgroundColor === 'rgb(22, 25, 29)'"
    )
    say(browser, {"type": "rsvlm.show", "images": ["bare"], "answer": None})
    browser.driver.switch_to.frame(0)
    browser.until(
        f"{SHAPES} === 0 && document.querySelector('.area').ariaLabel.includes('bare')"
    )
    browser.until(DRAWN % 1)


def test_strangers_are_not_listened_to(browser: Browser, address: str) -> None:
    shown(browser, address, ["optical"])
    settled(browser)
    select = "{type: 'rsvlm.select', region: 1}"
    # From the page itself, which is not the page around it.
    browser.run(f"window.postMessage({select}, location.origin)")
    # From another frame: one of the same origin, and one of none.
    browser.driver.switch_to.default_content()
    browser.run(
        "for (const kind of ['', 'allow-scripts']) {"
        "  const frame = document.createElement('iframe');"
        "  if (kind) frame.sandbox = kind;"
        f'  frame.srcdoc = `<script>parent.frames[0].postMessage({select}, "*");'
        "    parent.postMessage({type: 'sent'}, '*')</script>`;"
        "  document.body.append(frame);"
        "}"
    )
    browser.until("got.filter((m) => m.type === 'sent').length === 2")
    browser.driver.switch_to.frame(0)
    browser.run("return new Promise((done) => setTimeout(done, 300))")
    assert not browser.all("g.region.selected")
    # The same words from the page around.
    say(browser, {"type": "rsvlm.select", "region": 1})
    browser.driver.switch_to.frame(0)
    browser.until("document.querySelector('g.region.selected')")


def test_optical_and_radar_side_by_side(
    browser: Browser, address: str, both: str
) -> None:
    """Two zones of UTM, two sizes of pixels: the same ground lies at the same place."""
    opened(browser, address, "images=optical,radar&view=side", 2)
    before = settled(browser)
    browser.wait(".area").click()
    browser.press("+", "+", "\ue014")
    assert settled(browser)[0] == pytest.approx(before[0] * 2.25, rel=0.02)
    browser.until(DRAWN % 2)
    to_radar = Transformer.from_crs(32611, 32610)
    seen = browser.run("return document.querySelector('.area').clientWidth")
    turned = 1 if both == "library" else 40  # only the library turns images
    for x, y in ((600, 450), (640, 400), (560, 500)):
        east, north = to_radar.transform(380_000 + 10 * x, 3_770_000 - 10 * y)
        u, v = (east - 931_000) / 20, (3_780_000 - north) / 20
        here = browser.run(f"return {AT % (0, x, y, x, y)}")[:2]
        there = browser.run(f"return {AT % (1, u, v, u, v)}")[:2]
        assert 0 < here[0] < seen + 100
        assert np.hypot(*np.subtract(here, there)) < 1.5 * turned
    # The pointer over one image has a twin in the other.
    point_at(browser, 640, 400).perform()
    browser.until("!document.querySelectorAll('.twin')[1].hidden")
    browser.shot(both)
    assert not browser.errors()


def test_images_of_different_places_are_told_of(browser: Browser, address: str) -> None:
    opened(browser, address, "images=optical,far&view=side", 2)
    assert "different places" in browser.wait(".pane:last-of-type .note").text


def test_swipe(browser: Browser, address: str, both: str) -> None:
    opened(browser, address, "images=optical,radar&view=swipe&theme=dark", 2)
    settled(browser)
    assert "50%" in browser.run(
        "return getComputedStyle(document.querySelectorAll('.pane')[1]).clipPath"
    )
    browser.run("document.querySelector('#swipe-at').focus()")
    browser.press(*["\ue012"] * 20)  # left
    assert "30%" in browser.run(
        "return getComputedStyle(document.querySelectorAll('.pane')[1]).clipPath"
    )
    browser.shot(both)
    before = settled(browser)
    drag(browser, "#panes", (-40, 30))  # on the image, beside the handle
    assert settled(browser) != before


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [
        ("desk", (1280, 800, 1, False), "light"), ("dark", (1280, 800, 1, False), "dark"),
        ("phone", (360, 740, 2, True), "light"), ("zoom", (640, 400, 2, False), "light"),
    ],
)  # fmt: skip
def test_everybody_can_use_it(
    browser: Browser,
    address: str,
    name: str,
    size: tuple[int, int, float, bool],
    scheme: str,
) -> None:
    browser.size(*size)
    browser.scheme(scheme)
    shown(browser, address, ["optical", "radar"])
    settled(browser)
    browser.shot(name)
    wide = browser.run("return document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0  # nothing is scrolled sideways
    assert browser.run(f"return {PLACE}[0]") > 0.05
    assert browser.axe() == []


def test_a_missing_image_is_said(browser: Browser, address: str) -> None:
    for id in ("none", "secret"):
        browser.go(f"{address}/viewer/?images={id}")
        assert "There is no file" in browser.wait("#error").text


def test_inside_a_page_the_panel_is_closed_first(
    browser: Browser, address: str
) -> None:
    opened(browser, address, "images=optical&embed=1")
    button = browser.wait("[data-do=panel]")
    assert button.get_attribute("aria-expanded") == "false"
    assert not browser.all("#panel")[0].is_displayed()
    button.click()
    browser.wait("#panel")
    assert button.get_attribute("aria-expanded") == "true"
