"""RefSegRS and EarthReason: one mask file an expression, and questions without one."""

from typing import Any

import numpy as np
import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import earthreason, refsegrs
from rsvlm.geometry import HBB, Mask

PIXELS = np.zeros((6, 8), dtype=np.uint8)
PIXELS[2:5, 1:4] = 255


def _area(mask: Any) -> float:
    return Mask(mask.counts, mask.size, HBB(0, 0, 8, 6)).area


def test_refsegrs_lines_are_number_and_phrase(tree: Any) -> None:
    tree.image("images/17.tif")
    tree.mask("masks/17.tif", PIXELS)
    tree.text("output_phrase_test.txt", "17 road with sidewalk\n\n17  vehicle 2 \n")
    tree.text("output_phrase_val.txt", "17 car\n")
    samples = list(refsegrs.convert(tree.root))
    assert [s.conversation[0].text for s in samples] == [
        "car",
        "road with sidewalk",
        "vehicle 2",
    ]
    assert [s.id for s in samples] == [
        "refsegrs/val/1", "refsegrs/test/1", "refsegrs/test/3",
    ]  # fmt: skip
    assert _area(samples[0].mask) == 9
    assert samples[0].images[0].path == "images/17.tif"


def test_a_refsegrs_line_without_number_is_named(tree: Any) -> None:
    tree.text("output_phrase_test.txt", "road\n")
    with pytest.raises(ParseError, match=r"output_phrase_test\.txt, line 1: 'road'"):
        list(refsegrs.convert(tree.root))


def _earthreason(tree: Any, stem: str, answer: list[str], mask: Any = PIXELS) -> None:
    tree.image(f"test/images/{stem}.jpg")
    tree.mask(f"test/labels/{stem}.png", mask)
    questions = ["Where would you land?", "Where is it flat?"]
    tree.json(f"test/QAs/{stem}.json", {"questions": questions, "answer": answer})


def test_earthreason_asks_the_first_question(tree: Any) -> None:
    _earthreason(tree, "a_1", ["On the strip."], PIXELS // 255)
    (sample,) = earthreason.convert(tree.root)
    assert sample.conversation[0].text == "Where would you land?"
    assert sample.meta == {"other_questions": ["Where is it flat?"]}
    assert _area(sample.mask) == 9
    assert (sample.type, sample.split) == ("target", "test")


def test_an_empty_answer_means_no_target_whatever_the_mask_says(tree: Any) -> None:
    _earthreason(tree, "a_1", [])
    (sample,) = earthreason.convert(tree.root)
    assert sample.mask is None
    assert sample.targets == ()
    assert sample.type == "no target"


def test_a_missing_mask_is_a_fault_where_there_is_a_target(tree: Any) -> None:
    _earthreason(tree, "a_1", ["x"])
    (tree.root / "test/labels/a_1.png").unlink()
    with pytest.raises(ParseError, match=r"test/QAs/a_1\.json: there is no mask"):
        list(earthreason.convert(tree.root))
