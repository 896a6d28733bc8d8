import pytest

from rsvlm.answer import (
    Answer,
    AnswerImage,
    AnswerRegion,
    Evidence,
    ModelInfo,
    TraceStep,
)
from rsvlm.app.chat import cards, words
from rsvlm.app.chat.exports import export
from rsvlm.app.chat.history import Asked, Exchange
from rsvlm.geometry import HBB, Region
from rsvlm.progress import Progress

HOSTILE = '"><img src=x onerror=y>${z}{{q}}`'


def image(id: int, sensor: str) -> AnswerImage:
    return AnswerImage(
        id=id, path=HOSTILE, width=10, height=10, bands=1, dtype="uint8", sensor=sensor
    )


def answer(text: str = "Yes.", **fields: object) -> Answer:
    base = {
        "task": "vqa", "question": HOSTILE, "text": text, "confidence": 0.8,
        "images": (image(0, "optical"), image(1, "sar")),
        "model": ModelInfo(name=HOSTILE, engine="stub"),
    }  # fmt: skip
    return Answer.model_validate(base | fields)


def exchange(found: Answer | None, **fields: object) -> Exchange:
    asked = Asked(text=HOSTILE, files=("file-1",), names=(HOSTILE,))
    base = {
        "id": "e1",
        "number": 1,
        "asked": asked,
        "status": "answered",
        "created": 0.0,
    }
    return Exchange.model_validate(base | {"answer": found} | fields)


def test_no_text_of_anybody_becomes_markup() -> None:
    found = answer(
        HOSTILE,
        regions=(AnswerRegion.of(1, Region(HBB(0, 0, 2, 2), HOSTILE, 0.5), None),),
        evidence=(Evidence(id=1, text=HOSTILE, source=HOSTILE, licence=HOSTILE, url=HOSTILE),),
        trace=(TraceStep(step=HOSTILE, image=0, window=(0, 0, 2, 2), note=HOSTILE, rendering=HOSTILE),),
        warnings=(HOSTILE,),
    )  # fmt: skip
    shown = cards.conversation(
        [exchange(found), exchange(None, status="failed", said=HOSTILE)]
    )
    for sign in ("<img src=x", "${z}", "{{q}}", "`"):
        assert sign not in shown
    file = export(HOSTILE, [exchange(found)], lambda item, number: None)
    assert "<img" not in file
    assert file.count("</script>") == 1


def test_statements_are_set_apart_by_the_sensor_they_rest_on() -> None:
    found = answer("Optical (image 1): a roof. Radar (image 2): it shines.")
    shown = cards.card(exchange(found))
    assert shown.count('<p class="text">') == 2
    assert '<span class="badge">Radar (image 2)</span> It shines.' in shown
    assert (
        "the optical image (image 1) and the radar image (image 2)"
        in words.rests_on(found)
    )


def test_citations_link_to_passages_that_exist() -> None:
    passage = Evidence(id=1, text="Old.", source="Book", licence="CC0-1.0")
    shown = cards.card(exchange(answer("Old [1].", evidence=(passage,))))
    assert 'href="#source-e1-1"' in shown
    assert '<details id="source-e1-1"' in shown
    assert "[7]" in cards.card(exchange(answer("As [7] says.")))


def test_files_are_offered_that_can_be_had() -> None:
    shown = cards.card(exchange(answer()))
    assert "regions.geojson" not in shown
    assert "mask-" not in shown
    assert "overlay-1.png" in shown
    placed = answer(
        regions=(AnswerRegion.of(1, Region(HBB(0, 0, 2, 2), "ship", 0.5, 1), None),)
    )
    shown = cards.card(exchange(placed))
    assert "mask-1.tif" in shown
    assert "regions.geojson" not in shown  # no place on the Earth


@pytest.mark.parametrize(
    ("confidence", "level"),
    [(0.95, "high"), (0.7, "high"), (0.5, "middle"), (0.2, "low")],
)
def test_sureness_has_words_and_a_level(confidence: float, level: str) -> None:
    found = answer(confidence=confidence)
    assert words.level(found) == level
    assert f"({100 * confidence:.0f} %)" in words.sureness(found)
    assert words.level(answer(abstained=True)) == "none"


def test_stages_are_told_with_how_far_they_are() -> None:
    assert words.stage_words(Progress("search", 3, 40), None) == (
        "Searching the image: 3 of 40 windows"
    )
    assert words.stage_words(None, None) == "Starting"
    assert words.stage_words(Progress("look"), 2) == "Waiting: 2 questions before yours"
    assert words.stage_words(None, 0) == "You are next in the queue"
