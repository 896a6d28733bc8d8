"""What people do while a question is being answered, and with images of before."""

from pathlib import Path

from tests.app.chat.conftest import ChatPage
from tests.app.chat.fakes import geotiff
from tests.app.chat.marks import BROWSER
from tests.browser import until

pytestmark = BROWSER


def test_another_conversation_can_be_opened_while_a_question_runs(
    page: ChatPage,
) -> None:
    page.pick().ask("Where are they?")
    page.browser.wait("[data-act=new]").click()
    page.browser.wait(".scene")
    page.pick(1).send("A slow one, please")
    until(lambda: "Searching" in page.text("#now .stage"))
    page.browser.wait(".earlier summary").click()
    page.browser.all(".entry")[1].click()
    until(lambda: "Found 1 tennis court" in page.text("#past"))
    page.browser.run("return new Promise((done) => setTimeout(done, 2500))")
    assert not page.browser.all("#now .turn")  # nothing of the other one
    assert not page.browser.all("#stop")
    page.ask("and the second one?")
    assert "The second one is a pond." in page.turns()[-1].text
    page.browser.wait(".earlier summary").click()
    page.browser.all(".entry")[1].click()
    until(lambda: "Searching" in page.text("#now .stage"))  # it has gone on
    page.browser.wait("#stop").click()
    until(lambda: "Stopped" in page.text("#past"))
    page.unspoilt()


def test_a_box_that_is_drawn_while_a_question_runs_stays(page: ChatPage) -> None:
    page.pick().send("A slow one, please")
    until(lambda: "Searching" in page.text("#now .stage"))
    page.type("What is here?")
    page.draw()
    assert "about the place that you drew" in page.text(".focus")
    page.browser.wait("#stop").click()
    until(page.turns)
    assert "about the place that you drew" in page.text(".focus")
    page.browser.wait("#ask").click()  # what was half typed is still there
    until(lambda: len(page.turns()) > 1)
    assert "At the place " in page.turns()[-1].text
    page.unspoilt()


def test_a_box_on_the_images_of_an_older_turn_is_not_taken(
    page: ChatPage, tmp_path: Path
) -> None:
    page.pick().ask("Where are they?")
    file = tmp_path / "port.tif"
    file.write_bytes(geotiff(200, 160))
    page.upload(file)
    until(lambda: "port.tif" in page.text("#bar"))
    until(lambda: page.browser.all("#upload input[type=file]"))  # ready for others
    until(lambda: "pond" not in page.viewer("return document.body.innerText"))
    page.browser.all(".chip")[0].click()
    until(lambda: "pond" in page.viewer("return document.body.innerText"))
    page.draw()
    assert "Draw on the images that are asked about." in page.text("[role=alert]")
    assert not page.browser.all(".focus")
    until(lambda: "pond" not in page.viewer("return document.body.innerText"))
    page.draw()
    assert "about the place that you drew" in page.text(".focus")
    page.unspoilt()
