"""Answers in the form that a client asks for."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from rsvlm.answer import Answer, AnswerImage, AnswerRegion, Evidence, ModelInfo, schema
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.structured import Form, NoFormError
from rsvlm.geometry import HBB, Region

IMAGE = AnswerImage(
    id=0, path="a.png", width=64, height=48, bands=3, dtype="uint8", sensor="optical"
)


def answer(text: str = "2 ships.", **fields: Any) -> Answer:
    boxes = [(HBB(1, 2, 11, 22), 0.9), (HBB(30, 5, 40, 9), 0.7)]
    regions = tuple(
        AnswerRegion.of(i, Region(box, "ship", score, 0), None)
        for i, (box, score) in enumerate(boxes, start=1)
    )
    given = {"regions": regions, "count": 2, **fields}
    return Answer(
        task="count", question="How many ships?", text=text, confidence=0.8,
        images=(IMAGE,), model=ModelInfo(name="m", revision="1", engine="stub"), **given,
    )  # fmt: skip


def obj(required: bool = True, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required else [],
        "additionalProperties": False,
    }


INTEGER, STRING, NUMBER = {"type": "integer"}, {"type": "string"}, {"type": "number"}


def test_without_properties_it_is_the_answer_object() -> None:
    filled = Form({}).fill(answer())
    jsonschema.validate(filled, schema())
    assert Form({"type": "object"}).fill(answer()) == filled


def test_the_schema_of_answers_is_filled_with_all_of_it() -> None:
    filled = Form(schema()).fill(answer())
    assert filled["regions"][0]["hbb"] == [1, 2, 11, 22]
    assert Answer.model_validate(filled) == answer()


def test_a_flat_form_is_filled_by_names() -> None:
    form = Form(obj(count=INTEGER, answer=STRING, confidence=NUMBER))
    expected = {"count": 2, "answer": "2 ships.", "confidence": 0.8}
    assert form.fill(answer()) == expected


def test_the_models_of_the_openai_client_are_filled() -> None:
    from openai.lib._pydantic import to_strict_json_schema

    class Ship(BaseModel):
        label: str
        bbox: list[float]
        score: float | None

    class Ships(BaseModel):
        number: int
        ships_seen: str | None = None
        objects: list[Ship]

    filled = Form(to_strict_json_schema(Ships)).fill(answer())
    parsed = Ships.model_validate(filled)
    assert (parsed.number, parsed.ships_seen) == (2, None)
    assert parsed.objects[1] == Ship(label="ship", bbox=[30, 5, 40, 9], score=0.7)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ({"type": "array", "items": NUMBER}, [[1, 2, 11, 22], [30, 5, 40, 9]]),
        (STRING, ["ship", "ship"]),
        (obj(id=INTEGER, type=STRING), [{"id": 1, "type": "ship"}, {"id": 2, "type": "ship"}]),
    ],
)  # fmt: skip
def test_lists_hold_boxes_labels_or_objects(items: Any, expected: Any) -> None:
    form = Form(obj(boxes={"type": "array", "items": items}))
    assert form.fill(answer()) == {"boxes": expected}


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("Yes, 2 ships.", 2, True),
        ("No.", None, False),
        ("There are no ships.", 0, False),
        ("2 ships.", 2, True),
    ],
)
def test_presence_is_a_truth_value(text: str, count: int, expected: bool) -> None:
    form = Form(obj(present={"type": "boolean"}))
    assert form.fill(answer(text, count=count, regions=())) == {"present": expected}


def test_one_of_the_allowed_values_is_found_in_the_words() -> None:
    form = Form(obj(category={"enum": ["Airport", "Port", "Farm land"]}))
    assert form.fill(answer("It is farm land."))["category"] == "Farm land"
    with pytest.raises(NoFormError):
        form.fill(answer("A port near an airport."))


def test_a_text_of_digits_becomes_a_number() -> None:
    form = Form(obj(answer=INTEGER))
    assert form.fill(answer("12", count=None)) == {"answer": 12}
    assert form.fill(answer("Two.", count=2)) == {"answer": 2}


def test_sources_are_taken_from_the_evidence() -> None:
    told = Evidence(id=1, text="A port.", source="atlas", licence="CC0", score=0.5)
    found = Form(
        obj(sources={"type": "array", "items": obj(text=STRING, source=STRING)})
    ).fill(answer(evidence=(told,)))
    assert found == {"sources": [{"text": "A port.", "source": "atlas"}]}


def test_what_the_answer_lacks_is_null_where_that_is_allowed() -> None:
    count = {"anyOf": [INTEGER, {"type": "null"}]}
    assert Form(obj(count=count)).fill(answer(count=None)) == {"count": None}
    assert Form(obj(False, count=INTEGER)).fill(answer(count=None)) == {}
    with pytest.raises(NoFormError, match="count"):
        Form(obj(count=INTEGER)).fill(answer(count=None))


@pytest.mark.parametrize(
    "bad",
    [
        obj(year=INTEGER),
        obj(boxes={"type": "array", "items": obj(colour=STRING)}),
        {"type": "no type"},
        {"properties": {"text": {"$ref": "http://127.0.0.1:9/x.json"}}},
        {"properties": {"text": {"$ref": "#/nowhere"}}, "required": ["text"]},
        {"properties": {"text": {"type": "string", "pattern": "(a+)+$"}}},
        {"description": "x" * 70_000},
    ],
)
def test_forms_that_no_answer_has_are_refused_before_any_work(bad: Any) -> None:
    with pytest.raises(ApiError) as error:
        Form(bad).fill(answer())
    assert error.value.status == 400
    assert error.value.param == "response_format"


def test_a_schema_that_contains_itself_ends() -> None:
    with pytest.raises(ApiError):
        Form({"$ref": "#"})
    deep: dict[str, Any] = {"properties": {"text": {"$ref": "#"}}}
    assert Form(deep).fill(answer()) == {"text": "2 ships."}


def test_a_schema_that_unfolds_without_end_is_refused() -> None:
    parts: dict[str, Any] = {"a40": {"type": "null"}}
    for number in range(40):
        twice = [{"$ref": f"#/$defs/a{number + 1}"}] * 2
        parts[f"a{number}"] = {"anyOf": twice}
    text = {"anyOf": [{"$ref": "#/$defs/a0"}, STRING]}
    with pytest.raises(ApiError, match="unfold"):
        Form({"$defs": parts, "properties": {"text": text}})


def test_bounds_of_the_schema_are_held() -> None:
    with pytest.raises(NoFormError, match="count"):
        Form(obj(count={"type": "integer", "minimum": 5})).fill(answer())


NAMES = st.sampled_from(["text", "count", "boxes", "regions", "label", "foo", "$ref"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(
        ["object", "array", "string", "integer", "null", "#", "#/properties/text"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            ["type", "properties", "items", "required", "anyOf", "enum", "const", "$ref",
             "text", "count", "boxes", "additionalProperties", "minimum", "$defs"]
        ), inner, max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(NAMES | st.sampled_from(["properties", "type"]), VALUES))
def test_whatever_is_sent_gives_valid_json_or_a_clean_error(form: Any) -> None:
    try:
        filled = Form(form).fill(answer())
    except (ApiError, NoFormError):
        return
    json.dumps(filled, allow_nan=False)
    jsonschema.validate(filled, form)
