"""All sorts of people on the chat page: by keyboard, on a phone, in the dark, many at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.app.chat.conftest import ChatPage
from tests.app.chat.fakes import geotiff
from tests.app.chat.marks import BROWSER
from tests.app.chat.visitor import Visitor
from tests.browser import Browser, until

pytestmark = BROWSER

#: Users at once.
USERS = 20


def test_everything_can_be_done_with_the_keyboard(page: ChatPage) -> None:
    from selenium.webdriver.common.keys import Keys

    def tab_to(selector: str) -> None:
        found = f"document.activeElement.matches({selector!r})"
        for _ in range(80):
            if page.browser.run(f"return {found}"):
                return
            page.browser.press(Keys.TAB)
        raise AssertionError(f"no way to {selector} with the tabulator")

    tab_to("#upload button")
    page.browser.driver.refresh()
    page.browser.wait(".scene", 40)
    tab_to(".scene")
    outline = page.browser.run(
        "return getComputedStyle(document.activeElement).outlineStyle"
    )
    assert outline == "solid"  # one sees where one is
    page.browser.press(Keys.ENTER)
    page.browser.wait(".example")
    tab_to("#question textarea, #question input")
    page.browser.press("Where are they?", Keys.ENTER)
    until(page.turns)
    page.browser.driver.refresh()  # to begin at the top again
    page.browser.wait("#past .turn", 40)
    tab_to(".trace summary")
    page.browser.press(Keys.ENTER)
    tab_to(".trace [data-goto]")
    tab_to("a[href$='regions.geojson']")
    page.browser.shot("focus")
    page.unspoilt()


def test_it_can_be_used_on_a_phone(page: ChatPage) -> None:
    page.browser.size(390, 844, 2, mobile=True)
    page.browser.shot("1-start")
    page.pick().ask("Where are they?")
    page.browser.shot("2-answer")
    width = page.browser.run("return document.documentElement.scrollWidth")
    assert width <= 390  # nothing to scroll sideways
    small = page.browser.run(
        "return [...document.querySelectorAll('#right button, #right a.get')]"
        ".filter(b => b.offsetWidth && (b.offsetHeight < 24 || b.offsetWidth < 24))"
        ".map(b => b.outerHTML)"
    )
    assert not small  # for fingers, WCAG 2.5.8


def test_it_can_be_used_at_a_zoom_of_200_percent(page: ChatPage) -> None:
    page.browser.size(640, 400, 2)
    page.pick().ask("Where are they?")
    page.browser.shot("answer")
    assert page.browser.run("return document.documentElement.scrollWidth") <= 640


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    browser: Browser, address: str, scheme: str
) -> None:
    browser.scheme(scheme)
    page = ChatPage(browser, address).start()
    assert not browser.axe()
    page.pick().ask("When was the airport opened?")
    page.ask("Where are they?")
    for details in browser.all(".turn details > summary"):
        details.click()
    browser.wait("#options button").click()
    until(lambda: browser.all(".code pre"))
    browser.shot("open")
    assert not browser.axe()
    dark = browser.run("return document.body.classList.contains('dark')")
    assert dark == (scheme == "dark")


def test_light_and_dark_can_be_switched_and_are_remembered(page: ChatPage) -> None:
    page.browser.wait("[data-theme-switch]").click()
    assert page.browser.run("return document.body.classList.contains('dark')")
    page.browser.driver.refresh()
    page.browser.wait(".scene", 40)
    assert page.browser.until("document.body.classList.contains('dark')")
    page.browser.run("localStorage.clear()")


def test_a_place_that_is_drawn_becomes_part_of_the_question(page: ChatPage) -> None:
    page.pick().draw()
    assert "about the place that you drew" in page.text(".focus")
    page.browser.shot("drawn")
    turn = page.ask("What is here?")
    assert "At the place " in turn.text
    assert "the place that you drew" in turn.text
    until(lambda: not page.browser.all(".focus"))
    page.unspoilt()


def test_twenty_users_at_once_see_their_own_images_and_answers_only(
    address: str, visit: Callable[[], Visitor]
) -> None:
    def come(number: int) -> tuple[str, str, list[str]]:
        user = visit()
        name = f"user-{number}.tif"
        user.upload(name, geotiff(64 + number, 64, seed=number))
        shown = user.ask(f"Is there a court for user {number}?")
        exchange = shown[0].split('id="turn-')[1].split('"')[0]
        return shown[0], exchange, [name, str(number)]

    with ThreadPoolExecutor(USERS) as pool:
        seen = list(pool.map(come, range(USERS)))
    for number, (html, _, (name, _)) in enumerate(seen):
        assert f"About {name}" in html
        assert f"for user {number}?" in html
        assert html.count('class="turn"') == 1  # of nobody else
        others = {f"user-{other}.tif" for other in range(USERS)} - {name}
        assert not any(f"About {other}<" in html for other in others)
    stranger = visit()
    for _, exchange, _ in seen:
        reply = stranger.client.get(f"{address}/chat-files/{exchange}/answer.json")
        assert reply.status_code == 404
