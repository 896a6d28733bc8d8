"""Reasoning segmentation: the words never name the object, absent ones have no mask."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import vhr10
from rsvlm.eval.convert.reasons import ABSENT, PLACES, USES
from rsvlm.formats.tars import read_tar
from rsvlm.labels import OBJECTS
from rsvlm.samples import Sample, Target

SHIPS = [(2, 4, 6, 3), (30, 4, 6, 3)]


def _target(x0: float, y0: float, x1: float, y1: float) -> Target:
    return Target(label="ship", hbb=(x0, y0, x1, y1))


def _samples(tree: Any, boxes: Any) -> list[Sample]:
    tree.vhr10({"901.webp": (100, 60, boxes)})
    return list(vhr10.reasoning(tree.root))


def test_every_present_class_is_asked_for_by_its_use(tree: Any) -> None:
    samples = _samples(tree, [("ship", *box) for box in SHIPS])
    use = next(s for s in samples if s.type == "use")
    assert use.id == "vhr10-seg/901/use-ship"
    assert [t.hbb for t in use.targets] == [(2, 4, 8, 7), (30, 4, 36, 7)]
    # Vertices are indices of pixels: rings run through their centres.
    assert use.targets[0].polygons == ((2.5, 4.5, 7.5, 4.5, 7.5, 6.5, 2.5, 6.5),)
    assert use.images[0].path == "images/vhr10/901.webp"
    assert len(use.images[0].sha256 or "") == 64


def test_one_question_asks_for_what_is_not_there(tree: Any) -> None:
    (absent,) = [
        s for s in _samples(tree, [("ship", 2, 4, 6, 3)]) if s.type == "absent"
    ]
    assert absent.targets == ()
    assert absent.mask is None
    assert absent.meta["label"] in {"storage tank", "bridge"}


def test_the_one_at_an_edge_is_asked_for_where_that_is_certain() -> None:
    image = vhr10.Labelled("a", 100, 60, ())
    apart = [_target(30, 4, 36, 7), _target(2, 4, 8, 7), _target(60, 50, 66, 53)]
    assert vhr10.outermost(apart, "left", image) == 1
    assert vhr10.outermost(apart, "right", image) == 2
    assert vhr10.outermost(apart, "bottom", image) == 2
    assert vhr10.outermost(apart, "top", image) is None


def test_the_largest_is_asked_for_where_that_is_certain() -> None:
    assert vhr10.largest([_target(0, 0, 10, 10), _target(0, 0, 20, 10)]) == 1
    assert vhr10.largest([_target(0, 0, 10, 10), _target(0, 0, 12, 10)]) is None


def test_the_questions_of_one_object_name_its_target(tree: Any) -> None:
    samples = _samples(tree, [("ship", 2, 4, 6, 3), ("ship", 60, 20, 30, 20)])
    kinds = {s.type: s for s in samples}
    assert kinds["size"].targets[0].hbb == (60, 20, 90, 40)
    assert len(kinds["place"].targets) == 1


def test_no_description_names_an_object() -> None:
    for name, label in OBJECTS.items():
        words = {name, label.plural, *label.synonyms} - {"dock", "pier"}
        texts = [text for use in USES[name] for text in use]
        texts += [template for _, template in PLACES]
        texts += ABSENT
        for text in texts:
            spoken = f" {text.lower()} "
            assert not [w for w in words if f" {w} " in spoken or f" {w}s " in spoken]


def test_questions_are_the_same_every_time(tree: Any) -> None:
    first = _samples(tree, [("ship", *box) for box in SHIPS])
    assert first == list(vhr10.reasoning(tree.root / "vhr10"))


def test_pictures_are_the_files_of_the_tar(tree: Any) -> None:
    _samples(tree, [("ship", 2, 4, 6, 3)])
    ((path, data),) = vhr10.pictures(tree.root)
    assert path == "images/vhr10/901.webp"
    assert data[:4] == b"RIFF"


def test_a_missing_picture_is_named(tree: Any) -> None:
    _samples(tree, [])
    with pytest.raises(ParseError, match=r"has no file 'x\.webp'"):
        list(read_tar(tree.root / "vhr10/images_test.tar", ["x.webp"]))
