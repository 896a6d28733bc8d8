"""Whatever stands in a file, a reader reads it or says what is wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsvlm.errors import RsvlmError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.foreign import make_sample
from rsvlm.eval.formats.table import FORMATS, read_foreign
from rsvlm.samples import Target

SIZES = {
    "original_width": 8,
    "original_height": 8,
    "resized_width": 4,
    "resized_height": 4,
}
CHAT = [{"role": "user", "content": "<image>Which? Classes: Park, Beach."},
        {"role": "assistant", "content": "Park"}]  # fmt: skip
#: Format -> records that it reads.
RECORDS: dict[str, list[dict[str, Any]]] = {
    "earthdial": [
        {"question": "q", "answer": "[[1, 2, 3, 4, 5]]", "gt_bbox": "[[1, 2, 3, 4, 5]]",
         "task_type": "ref", "size_group": "small"},
        {"question": "q", "answer": "a [[1, 2, 3, 4, 5]]", "groundtruth": "a",
         "obj_ids": '["[[1, 2, 3, 4, 5]]"]'},
        {"question": "Classes: Park, Beach.", "answer": "park", "annotation": "Park"},
        {"question": "q", "answer": "a", "caption0": '["a b"]', "caption1": ""},
        {"question": "q", "answer": "a", "annotation": "a", "vqa_type": "count"},
    ],
    "rswk": [{"messages": CHAT, "images": ["/a/b.png"], "prediction": "Park"}],
    "mme-realworld": [
        {"Question_id": "1", "Image": "a.png", "Text": "q", "Category": "c",
         "Answer choices": ["(A) x", "(B) y"], "Ground truth": "A", "output": "A",
         "gt_toi": [1, 2, 3, 4], "img_size": [9, 9], "visual_cue": [[1, 2, 3, 4]],
         "imagerag_summary": ["Fast"]},
    ],
    "lrs-gro": [
        {"question_id": "a", "image_name": "a.tif", "question": "q", "type": "region",
         "ground_truth": "3", "bbox": [1, 2, 3, 4], "answer1": "3", "answer2": None},
    ],
    "llava-answers": [
        {"question_id": "a", "image_id": "a.png", "answer": "[1, 2, 3, 4]",
         "ground_truth": "[[1, 2, 3, 4, 5]]", "type": "ref"},
    ],
    "rscovlm": [
        {"output": "[1, 2, 3, 4]", "solution": [1, 2, 3, 4], "image": "a.png", **SIZES},
        {"output": "[1, 2, 3, 4]", "ground_truth": [[1, 2, 3, 4]], "image": "a", **SIZES},
    ],
    "lmms-eval": [
        {"doc_id": 0, "target": "A", "filtered_resps": ["A"], "input": "A. x\nB. y"},
    ],
    "vlmevalkit": [
        {"index": "a", "question": "q", "A": "x", "B": "y", "answer": "A",
         "prediction": "A", "category": "c", "image_path": "a.png"},
    ],
    "rsvlm": [{"id": "a", "raw": "[1, 2, 3, 4]"}],
}  # fmt: skip
SAMPLE = make_sample(
    "a", "ground", "t", size=(9, 9), targets=[Target(label="x", hbb=(1, 2, 3, 4))]
)

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["[]", "[[1, 2, 3, 4, 5]]", "[[", "A", "nan", "['a']", "{<1>"]),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.sampled_from(["content", "role", "id", "x"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def test_every_format_is_tried() -> None:
    assert set(RECORDS) == set(FORMATS)


@pytest.mark.parametrize("format", FORMATS)
@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)  # fmt: skip
@given(data=st.data())
def test_any_value_in_any_field(
    tmp_path: Path, format: str, data: st.DataObject
) -> None:
    record = dict(data.draw(st.sampled_from(RECORDS[format])))
    for key in data.draw(
        st.sets(st.sampled_from(sorted(record)), min_size=1, max_size=2)
    ):
        if data.draw(st.booleans()):
            record[key] = data.draw(_values)
        else:
            del record[key]
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(record) + "\n", encoding="utf-8")
    joins = FORMATS[format].samples != "inside" and data.draw(st.booleans())
    samples = {"a": SAMPLE} if joins else None
    coords = Coords(space="norm1000") if joins else None
    try:
        found = read_foreign(path, format, samples, coords)
    except RsvlmError:
        return
    assert len(found.samples) == len(found.predictions) > 0
    for sample, prediction in zip(found.samples, found.predictions, strict=True):
        assert sample.id == prediction.id
        json.loads(sample.model_dump_json())
    for protocol in found.protocols:
        reading = found.reading(protocol.id)
        assert len(reading.samples) == len(reading.predictions)
