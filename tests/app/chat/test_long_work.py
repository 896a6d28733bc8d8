"""Long work, trouble, and coming back: what people meet on the chat page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.chat.conftest import ChatPage
from tests.app.chat.marks import BROWSER
from tests.browser import Browser, serving, until

pytestmark = BROWSER


def test_work_shows_stage_and_draft_and_stop_stops_it(page: ChatPage) -> None:
    page.pick().send("A slow one, please")
    assert "A slow one" in page.text("#now .question")
    until(lambda: "Searching the image:" in page.text("#now .stage"))
    assert "of 600 windows" in page.text("#now .stage")
    assert "draft, not yet checked" in page.text("#now .draft")
    assert "A draft that may change" in page.text("#now .draft")
    assert page.browser.run("return document.querySelector('#now progress').max") == 600
    assert page.browser.run("return document.getElementById('say').textContent")
    page.browser.shot("working")
    page.browser.wait("#stop").click()
    until(page.turns)
    assert page.text("#past .trouble") == "Stopped. Stopped, as you asked."
    page.ask("Where are they?")  # the slot is free again
    assert "Found 1 tennis court" in page.turns()[-1].text
    page.unspoilt()


def test_work_goes_on_while_the_page_is_loaded_again(page: ChatPage) -> None:
    page.pick().send("A slow one, please")
    page.browser.wait("#now .stage")
    page.browser.driver.refresh()
    until(lambda: "Searching the image:" in page.text("#now .stage"), 40)
    page.browser.wait("#stop").click()
    until(page.turns)


def test_history_survives_a_reload_and_conversations_can_be_opened_and_deleted(
    page: ChatPage,
) -> None:
    page.pick().ask("Where are they?")
    page.browser.driver.refresh()
    page.browser.wait("#past .turn", 40)
    assert "Found 1 tennis court" in page.turns()[0].text
    page.browser.wait("[data-act=new]").click()
    page.browser.wait(".scene")
    page.pick(1).ask("I am unsure: cars?")
    page.browser.wait(".earlier summary").click()
    page.browser.shot("conversations")
    entries = page.browser.all(".entry")
    assert [entry.text.split("\n")[0][:10] for entry in entries] == [
        "I am unsur", "Where are ",
    ]  # fmt: skip
    entries[1].click()
    until(lambda: "Found 1 tennis court" in page.text("#past"))
    page.browser.wait(".earlier summary").click()
    page.browser.all("[data-act=forget]")[0].click()
    until(lambda: "(1)" in page.text(".earlier summary"))


def test_a_conversation_is_one_file_that_needs_nothing_else(
    page: ChatPage, downloads: Path
) -> None:
    page.pick().ask("Where are they?")
    page.ask("leak, please")
    page.browser.wait(".menu a.get").click()
    until(lambda: list(downloads.glob("rsvlm-*.html")))
    file = next(downloads.glob("rsvlm-*.html"))
    page.browser.go(file.as_uri())
    text = page.browser.wait("main").text
    assert "Found 1 tennis court and 1 pond." in text
    assert "![a](http" in text  # as words, not as a picture
    assert page.browser.run(
        "return [...document.images].every(i => i.naturalWidth > 100)"
    )
    data = page.browser.run(
        "return JSON.parse(document.getElementById('rsvlm').textContent)"
    )
    assert data[0]["answer"]["schema"] == "rsvlm.answer/1"
    assert page.browser.run("return window.pwned") is None
    page.browser.shot("file")
    outside = [url for url in page.browser.outside() if not url.startswith("file:")]
    assert not outside


def test_texts_of_a_model_bring_nothing_into_the_page(page: ChatPage) -> None:
    page.pick().ask("leak, please")
    page.browser.wait(".chip").click()
    said = page.text(".said")
    assert "![a](http://198.51.100.7/md) <img src=http://198.51.100.7/html>" in said
    assert "${window.pwned = 1} {{value}}" in said
    page.browser.run(
        "document.querySelector('.said').dispatchEvent(new Event('mouseover'))"
    )
    assert page.browser.run("return window.pwned") is None
    assert not page.browser.all(".said img, .said a, .said b, .said script, .chip img")
    page.unspoilt()


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("broken engine", "The model does not answer at the moment."),
        ("crash", "Something went wrong on our side"),
    ],
)
def test_trouble_is_told_in_plain_words_and_the_conversation_goes_on(
    page: ChatPage, question: str, words: str
) -> None:
    page.pick().ask(question)
    told = page.text("#past .trouble")
    assert words in told
    assert "secret" not in told
    assert "10.0.0.1" not in told
    assert page.text("[data-act=again]") == "Ask again"
    page.browser.shot("told")
    page.ask("Where are they?")
    assert "Found 1 tennis court" in page.turns()[-1].text
    page.unspoilt()


def test_without_a_question_or_cookies_the_page_says_what_to_do(
    page: ChatPage,
) -> None:
    page.pick()
    page.browser.wait("#ask").click()
    assert "Write a question first" in page.text("[role=alert]")
    page.browser.driver.delete_all_cookies()
    page.type("Where are they?")
    page.browser.wait("#ask").click()
    until(lambda: "Allow cookies" in page.text("[role=alert]"))


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that answers one question at a time."""
    from tests.app.chat.fakes import chat_app

    folder = tmp_path_factory.mktemp("narrow")
    app = chat_app(folder, max_running=1, max_queue=1)
    with serving(app) as address:
        yield address


def test_who_waits_is_told_his_place_and_who_finds_no_place_when_to_come_back(
    browser: Browser, narrow: str
) -> None:
    first = ChatPage(browser, narrow).start()
    first.pick().send("A slow one, please")
    until(lambda: "Searching" in first.text("#now .stage"))
    browser.driver.delete_all_cookies()
    second = ChatPage(browser, narrow).start()
    second.pick().send("Where are they?")
    until(lambda: "next in the queue" in second.text("#now .stage"))
    browser.shot("queued")
    browser.driver.delete_all_cookies()
    third = ChatPage(browser, narrow).start()
    third.pick().send("Where are they?")
    until(lambda: browser.all("#past .trouble"))
    told = third.text("#past .trouble")
    assert "Many questions are being answered right now. Please try again in" in told
    browser.shot("full")
