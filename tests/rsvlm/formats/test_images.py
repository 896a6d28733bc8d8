"""Images are found by name, inside the data set only; sizes come from headers."""

from typing import Any

import numpy as np
import pytest

from rsvlm.errors import ParseError
from rsvlm.formats.images import Images, read_mask
from rsvlm.geometry import HBB, Mask
from rsvlm.samples import ImageRef


def test_the_usual_folder_is_tried_first(tree: Any) -> None:
    tree.image("pictures/a.png", 8, 6)
    tree.image("copies/a.png", 3, 3)
    ref = Images(tree.root, "pictures", gsd_m=0.3).ref("a.png", "x")
    assert ref == ImageRef(path="pictures/a.png", width=8, height=6, gsd_m=0.3)


@pytest.mark.parametrize("name", ["b.tif", "b", "elsewhere/b.tif", "/home/x/b.tif"])
def test_a_unique_name_is_found_anywhere(tree: Any, name: str) -> None:
    tree.image("deep/er/b.tif", 5, 4)
    assert Images(tree.root).ref(name, "x").path == "deep/er/b.tif"


def test_of_equal_names_the_path_decides(tree: Any) -> None:
    tree.image("one/a.png", 5, 4)
    tree.image("two/a.png", 7, 4)
    images = Images(tree.root, "none")
    assert images.ref("two/a.png", "x").width == 7
    with pytest.raises(ParseError, match=r"may be one/a\.png and two/a\.png"):
        images.ref("a.png", "x")


@pytest.mark.parametrize(
    "name", ["../secret.png", "a/../../secret.png", "..\\secret.png"]
)
def test_names_that_lead_outside_are_refused(tree: Any, name: str) -> None:
    tree.image("a/x.png")
    tree.image("../secret.png")
    with pytest.raises(ParseError, match="outside of the data set"):
        Images(tree.root).ref(name, "x")


def test_folders_that_lead_outside_are_not_looked_in(tree: Any) -> None:
    tree.image("../secret/x.png")
    tree.text("a/notes.txt", "")
    with pytest.raises(ParseError, match="there is no image"):
        Images(tree.root, "a/../../secret").ref("x.png", "f")


def test_a_missing_image_names_place_and_next_step(tree: Any) -> None:
    tree.image("a.png")
    with pytest.raises(
        ParseError, match=r"f\.json\[3\]: there is no image 'c\.png'.*Unpack"
    ):
        Images(tree.root).ref("c.png", "f.json[3]")


def test_what_is_no_image_is_refused(tree: Any) -> None:
    tree.text("a.png", "<html>")
    with pytest.raises(ParseError, match="f: "):
        Images(tree.root).ref("a.png", "f")


def test_a_mask_keeps_its_pixels(tree: Any) -> None:
    pixels = np.zeros((6, 8), dtype=np.uint8)
    pixels[2:4, 3:7] = 255
    image = ImageRef(path="a.png", width=8, height=6)
    mask = read_mask(tree.mask("m.png", pixels), image, "x")
    assert mask is not None
    assert mask.size == (6, 8)
    array = Mask(mask.counts, mask.size, HBB(0, 0, 8, 6)).to_array()
    assert np.array_equal(array, pixels > 0)


def test_an_empty_mask_is_none_and_opacity_is_no_mask(tree: Any) -> None:
    image = ImageRef(path="a.png", width=8, height=6)
    assert read_mask(tree.mask("m.png", np.zeros((6, 8))), image, "x") is None
    rgba = np.zeros((6, 8, 4), dtype=np.uint8)
    rgba[..., 3] = 255
    assert read_mask(tree.mask("n.png", rgba), image, "x") is None


def test_a_mask_of_another_size_is_a_fault(tree: Any) -> None:
    image = ImageRef(path="a.png", width=8, height=8)
    path = tree.mask("m.png", np.ones((6, 8)))
    with pytest.raises(ParseError, match="8 x 6 pixels, its image 8 x 8"):
        read_mask(path, image, "x")
