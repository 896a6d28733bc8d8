from typing import Any

import numpy as np
import pytest

from rsvlm.answer import Answer, AnswerImage, AnswerRegion, Evidence, ModelInfo
from rsvlm.errors import UnknownNameError
from rsvlm.eval.parse import READERS, from_answer, from_generation, reader, union_mask
from rsvlm.eval.questions import options_of, plain_question, prompt_of
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region
from rsvlm.messages import Generation
from rsvlm.samples import ImageRef

IMAGE = ImageRef(path="a.png", width=20, height=10)


def answer(text: str, *regions: Region, **fields: Any) -> Answer:
    image = AnswerImage(
        id=0, path="a", width=20, height=10, bands=3, dtype="uint8", sensor="optical"
    )
    given: dict[str, Any] = {
        "task": "vqa",
        "question": "?",
        "text": text,
        "confidence": 0.5,
        "images": (image,),
        "regions": [
            AnswerRegion.of(i, r, None) for i, r in enumerate(regions, start=1)
        ],
        "model": ModelInfo(name="m", engine="stub"),
    }
    return Answer(**(given | fields))


def area(mask: Any) -> float:
    return Mask(mask.counts, mask.size, HBB(0, 0, 20, 10)).area


@pytest.mark.parametrize(
    ("name", "text", "read"),
    [
        ("text", "  Yes, 3 ships.\n", "Yes, 3 ships."),
        ("yes_no", "Yes, 3 ships.", "yes"),
        ("yes_no", "**No**", "no"),
        ("yes_no", "Nothing is there", "Nothing is there"),
        ("short_answer", "\n\nNo.\nThere is none.", "no"),
        ("short_answer", "river\nbecause", "river"),
        ("short_answer", "", ""),
    ],
)
def test_texts_are_read(name: str, text: str, read: str) -> None:
    assert reader(name)(text) == read


def test_an_unknown_reader_is_named() -> None:
    with pytest.raises(UnknownNameError, match="'leter'. Did you mean 'letter'"):  # noqa: RUF043
        reader("leter")
    assert "text" in READERS


def test_a_count_is_the_number_of_the_answer(made: Any) -> None:
    benchmark = made.benchmark("count")
    got = from_answer(benchmark, made.sample(0), answer("No ship was found.", count=0))
    assert got.parsed == "0"
    withheld = answer("I cannot tell.", count=0, abstained=True)
    assert from_answer(benchmark, made.sample(0), withheld).parsed == ""


def test_the_passages_that_an_answer_may_cite_are_kept(made: Any) -> None:
    passage = Evidence(id=1, text="t", source="a.md", licence="CC0-1.0")
    got = from_answer(
        made.benchmark("vqa"),
        made.sample(0),
        answer("Lisbon [1].", evidence=(passage,)),
    )
    assert got.meta == {"evidence": [{"id": 1, "source": "a.md"}]}


def test_regions_become_boxes_with_their_confidence(made: Any) -> None:
    turned = OBB(((5, 0), (10, 5), (5, 10), (0, 5)))
    found = answer(
        "Found 2 ships.",
        Region(HBB(1, 2, 3, 4), "ship", 0.7),
        Region(turned, "ship", 0.4),
    )
    got = from_answer(made.benchmark("detect"), made.sample(0), found)
    assert got.boxes[0].points == ((1, 2), (3, 4))
    assert got.boxes[1].points == turned.corners
    assert [box.score for box in got.boxes] == [0.7, 0.4]
    assert got.mask is None


def test_masks_are_laid_over_the_whole_image(made: Any) -> None:
    mask = Mask.from_array(np.ones((2, 3), dtype=bool), 4, 5)
    found = answer("One ship.", Region(mask, "ship"), Region(HBB(0, 0, 2, 2), "ship"))
    sample = made.sample(0).model_copy(update={"images": (IMAGE,)})
    got = from_answer(made.benchmark("segment"), sample, found)
    assert got.mask is not None
    assert got.mask.size == (10, 20)
    assert area(got.mask) == 2 * 3 + 2 * 2


def test_what_lies_outside_the_image_is_left_out() -> None:
    mask = Mask.from_array(np.ones((4, 4), dtype=bool), 18, -2)
    got = union_mask([mask, HBB(-5, 8, 1, 30)], IMAGE)
    assert area(got) == 2 * 2 + 1 * 2
    assert union_mask([], IMAGE) is None
    assert union_mask([HBB(30, 30, 40, 40), HBB(1, 1, 1, 5)], IMAGE) is None
    triangle = Polygon(((0, 0), (10, 0), (0, 10)))
    assert area(union_mask([triangle], IMAGE)) == pytest.approx(50, abs=6)


@pytest.mark.parametrize(
    ("generation", "status"),
    [
        (Generation("yes"), "ok"),
        (Generation("yes", "length"), "truncated"),
        (Generation(" \n"), "empty"),
        (Generation("I am sorry", "content_filter"), "refused"),
    ],
)
def test_the_end_of_a_reply_is_its_status(
    made: Any, generation: Generation, status: str
) -> None:
    got = from_generation(made.benchmark(), made.sample(0), generation)
    assert got.status == status
    assert got.confidence is None


def test_thoughts_are_no_answer(made: Any) -> None:
    said = Generation("<think>No. Or yes?</think>\nyes")
    got = from_generation(made.benchmark(), made.sample(0), said)
    assert (got.parsed, got.raw) == ("yes", said.text)


def test_a_question_with_braces_stays_as_it_is(made: Any) -> None:
    turn = made.sample(0).conversation[0].model_copy(update={"text": "{options} {x}?"})
    sample = made.sample(0, conversation=(turn,), options=("a", "b"))
    prompt = {"id": "p", "user": "{question}\nClasses: {options}.\nOne word."}
    benchmark = made.benchmark("classify", prompt=prompt)
    assert prompt_of(benchmark, sample) == "{options} {x}?\nClasses: a, b.\nOne word."
    assert plain_question(benchmark, sample) == "{options} {x}?\nClasses: a, b."


def test_a_prompt_without_a_question_is_asked_whole(made: Any) -> None:
    prompt = {"id": "p", "user": "Describe the image in detail."}
    benchmark = made.benchmark("caption", prompt=prompt)
    sample = made.sample(0, conversation=())
    assert plain_question(benchmark, sample) == "Describe the image in detail."


def test_choices_get_letters_once(made: Any) -> None:
    plain = made.sample(0, options=("red", "blue"))
    assert options_of(plain, "mcq") == "(A) red\n(B) blue"
    lettered = made.sample(0, options=("A. red", "B. blue"))
    assert options_of(lettered, "mcq") == "A. red\nB. blue"
