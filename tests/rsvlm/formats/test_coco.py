"""COCO files: boxes, outlines, crowds, and the entry of every fault."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.formats.coco import read_coco

ANNOTATION: dict[str, Any] = {
    "id": 1, "image_id": 7, "category_id": 2, "bbox": [4, 2, 6, 3],
    "segmentation": [[4, 2, 9, 2, 9, 4, 4, 4]],
}  # fmt: skip


def _put(tree: Any, *annotations: Any, **changes: Any) -> Any:
    coco = {
        "images": [{"id": 7, "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": list(annotations),
        "categories": [{"id": 2, "name": "ship"}, {"id": 3, "name": "tank"}],
    }
    return tree.json("a.json", coco | changes)


def test_objects_stay_with_their_image(tree: Any) -> None:
    crowd = ANNOTATION | {"iscrowd": 1, "segmentation": {"size": [1], "counts": [1]}}
    coco = read_coco(_put(tree, ANNOTATION, crowd), vertex_offset=0.5)
    assert coco.classes == ("ship", "tank")
    (image,) = coco.images
    assert (image.file_name, image.width, image.height) == ("a.png", 40, 30)
    (target,) = image.targets
    assert (target.label, target.hbb) == ("ship", (4, 2, 10, 5))
    assert target.polygons == ((4.5, 2.5, 9.5, 2.5, 9.5, 4.5, 4.5, 4.5),)


def test_sizes_and_outlines_may_be_missing(tree: Any) -> None:
    bare = {k: v for k, v in ANNOTATION.items() if k != "segmentation"}
    path = _put(tree, bare, images=[{"id": 7, "file_name": "a.png"}])
    (image,) = read_coco(path).images
    assert image.width is None
    assert image.targets[0].polygons == ()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"image_id": 8}, "'image_id' '8' is not among the images"),
        ({"category_id": 9}, "'category_id' is not among"),
        ({"bbox": [1, 2, 3]}, r"'bbox' is \[1, 2, 3\], not 4 numbers"),
        ({"bbox": [4, 2, 0, 3]}, "'bbox' 4 2 0 3 is empty"),
        ({"segmentation": [[1, 2, 3]]}, "a ring of 3 numbers"),
    ],
)
def test_a_fault_names_its_entry(tree: Any, change: Any, what: str) -> None:
    with pytest.raises(ParseError, match=rf"a\.json, annotations\[1\]: .*{what}"):
        read_coco(_put(tree, ANNOTATION, ANNOTATION | change))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"images": [\n}', "line 2"),
        ("[]", "not an object"),
        ("{}", "'categories' is missing"),
        ('{"categories": [], "images": [{"id": 1}], "annotations": []}', "'file_name'"),
    ],
)
def test_what_is_no_coco_file_is_named(tree: Any, text: str, what: str) -> None:
    with pytest.raises(ParseError, match=rf"a\.json.*{what}"):
        read_coco(tree.text("a.json", text))
