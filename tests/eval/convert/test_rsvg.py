"""DIOR-RSVG: split lists count objects over all XML files."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import rsvg


def _xml(name: str, *objects: str) -> str:
    return f"<annotation><filename>{name}</filename>{''.join(objects)}</annotation>"


def _object(x0: int, description: str = "The ship on the left", x1: int = 9) -> str:
    return (
        "<object><name>ship</name><pose>Unspecified</pose>"
        f"<bndbox><xmin>{x0}</xmin><ymin>2</ymin><xmax>{x1}</xmax><ymax>8</ymax></bndbox>"
        f"<description>{description}</description></object>"
    )


def _put(tree: Any, test: str = "1\n2\n", train: str = "0\n2\n") -> None:
    for name in ("00001.jpg", "00002.jpg"):
        tree.image(f"JPEGImages/{name}", 30, 20)
    tree.text("Annotations/00002.xml", _xml("00002.jpg", _object(3)))
    tree.text("Annotations/00001.xml", _xml("00001.jpg", _object(1), _object(2)))
    tree.text("test.txt", test)
    tree.text("train.txt", train)


def test_numbers_are_objects_over_sorted_files(tree: Any) -> None:
    _put(tree)
    samples = list(rsvg.dior_rsvg(tree.root))
    assert [(s.id, s.targets[0].hbb[0]) for s in samples] == [
        ("dior-rsvg/train/0", 1),
        ("dior-rsvg/test/1", 2),
        ("dior-rsvg/train/2", 3),
        ("dior-rsvg/test/2", 3),
    ]
    last = samples[-1]
    assert last.images[0].path == "JPEGImages/00002.jpg"
    assert last.targets[0].hbb == (3, 2, 9, 8)
    assert last.targets[0].polygons == ()
    assert last.conversation[0].text == "The ship on the left"


def test_a_number_beyond_the_objects_is_a_fault(tree: Any) -> None:
    _put(tree, test="1\n7\n")
    with pytest.raises(ParseError, match="object 7, but the XML files hold 3"):
        list(rsvg.dior_rsvg(tree.root))


def test_names_of_images_in_a_split_list_are_a_fault(tree: Any) -> None:
    _put(tree, test="00001\nimage_1\n")
    with pytest.raises(ParseError, match=r"test\.txt, line 2: 'image_1'"):
        list(rsvg.dior_rsvg(tree.root))


def test_an_empty_box_is_a_fault(tree: Any) -> None:
    _put(tree)
    tree.text("Annotations/00002.xml", _xml("00002.jpg", _object(9)))
    with pytest.raises(ParseError, match=r"00002\.xml, line \d+: the box 9 2 9 8"):
        list(rsvg.dior_rsvg(tree.root))


def test_entities_are_refused(tree: Any) -> None:
    _put(tree)
    bomb = '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx">]>' + _xml(
        "00002.jpg", _object(3, "&x;")
    )
    tree.text("Annotations/00002.xml", bomb)
    with pytest.raises(ParseError, match="declares entities"):
        list(rsvg.dior_rsvg(tree.root))


def test_rsvg_reads_the_same_layout_from_its_own_folder(tree: Any) -> None:
    tree.image("Image/00001.jpg")
    tree.text("Annotations/00001.xml", _xml("00001.jpg", _object(1)))
    tree.text("test.txt", "0\n")
    (sample,) = rsvg.rsvg(tree.root)
    assert (sample.source, sample.images[0].path) == ("rsvg", "Image/00001.jpg")


def test_without_split_lists_nothing_is_taken(tree: Any) -> None:
    tree.text("Annotations/00001.xml", _xml("00001.jpg", _object(1)))
    with pytest.raises(ParseError, match=r"train\.txt, val\.txt or test\.txt"):
        list(rsvg.dior_rsvg(tree.root))
