"""A server with the chat page, and what a person does on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.chat.visitor import Visitor
from tests.browser import Browser, serving, until


class ChatPage:
    """The page in a browser."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.address = browser, address

    def start(self) -> "ChatPage":
        self.browser.go(f"{self.address}/chat/")
        self.browser.wait(".scene", 40)
        return self

    def pick(self, number: int = 0) -> "ChatPage":
        """Pick a sample scene, and wait until its image is there."""
        self.browser.all(".scene")[number].click()
        self.browser.wait(".example")
        return self

    def type(self, text: str) -> None:
        box = self.browser.wait("#question textarea, #question input")
        box.clear()
        box.send_keys(text)

    def send(self, text: str) -> None:
        """Ask, without waiting for the answer."""
        self.type(text)
        self.browser.wait("#ask").click()

    def ask(self, text: str) -> Any:
        """Ask, and return the element of the answer."""
        before = len(self.turns())
        self.send(text)
        until(lambda: len(self.turns()) > before)
        return self.turns()[-1]

    def turns(self) -> list[Any]:
        return self.browser.all("#past .turn")

    def text(self, selector: str) -> str:
        return str(self.browser.wait(selector).text)

    def upload(self, *paths: Path) -> None:
        """Choose files in the dialog of the browser."""
        field = self.browser.all("#upload input[type=file]")[0]
        field.send_keys("\n".join(map(str, paths)))

    def viewer(self, script: str) -> Any:
        """Run JavaScript in the viewer."""
        driver = self.browser.driver
        driver.switch_to.frame(self.browser.wait("#viewer iframe"))
        try:
            return driver.execute_script(script)
        finally:
            driver.switch_to.default_content()

    def draw(self) -> None:
        """Draw a box in the viewer with the mouse."""
        from selenium.webdriver.common.action_chains import ActionChains

        driver = self.browser.driver
        driver.switch_to.frame(self.browser.wait("#viewer iframe"))
        try:
            canvas = self.browser.wait("canvas")
            next(b for b in self.browser.all("button") if b.text == "Box").click()
            ActionChains(driver).move_to_element_with_offset(
                canvas, -40, -30
            ).click_and_hold().move_by_offset(60, 50).release().perform()
        finally:
            driver.switch_to.default_content()

    def unspoilt(self) -> None:
        """Check that nothing went wrong and nothing came from elsewhere."""
        assert not self.browser.errors()
        assert not self.browser.outside()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server with scripted answers listens."""
    pytest.importorskip("gradio")
    from tests.app.chat.fakes import chat_app

    with serving(chat_app(tmp_path_factory.mktemp("chat"))) as found:
        yield found


@pytest.fixture
def visit(address: str) -> Iterator[Callable[[], Visitor]]:
    """Gives a new visitor with each call."""
    visitors: list[Visitor] = []

    def come() -> Visitor:
        visitors.append(Visitor(address))
        return visitors[-1]

    yield come
    for visitor in visitors:
        visitor.client.close()


@pytest.fixture
def page(browser: Browser, address: str) -> ChatPage:
    """The page, just opened."""
    return ChatPage(browser, address).start()
