"""Regions as text, and questions about sides: both turn with the picture."""

import numpy as np
import pytest
from pycocotools import mask as coco

from rsvlm.codec import RsvlmCodec
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Window, iou
from rsvlm.samples import MaskRle
from rsvlm.training.augment import Item, turn
from rsvlm.training.placed import MOST_CORNERS, MOST_SHAPES, items_text, mask_text
from rsvlm.training.sides import SIDES, turned_side, turned_words

SIZE = (200, 100)
WHOLE = Window.whole(*SIZE, *SIZE)


def disc(x: float, y: float, radius: float, corners: int = 40) -> Item:
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    ring = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1)
    return Item("tank", (ring,))


#: A box that lies askew: 45 degrees, 40 by 20 px.
ASKEW = Item("ship", (np.array([[100, 30], [128, 58], [114, 72], [86, 44]], float),))


def test_the_largest_boxes_are_told() -> None:
    items = [disc(20, 20, r) for r in (5, 8, 2, 11)]
    regions = RsvlmCodec().parse(items_text(items, "tank", "hbb", SIZE), WHOLE)
    assert [r.label for r in regions] == ["tank"] * MOST_SHAPES
    assert [round(r.shape.hbb.width) for r in regions] == [22, 16, 10]
    assert items_text([], "tank", "hbb", SIZE) == "none"
    assert items_text([], "tank", "mask", SIZE) == "none"


@pytest.mark.parametrize("kind", ["hbb", "obb", "polygon", "mask"])
def test_each_shape_is_read_as_what_it_is(kind: str) -> None:
    text = items_text([ASKEW], "ship", kind, SIZE)
    (region,) = RsvlmCodec().parse(text, WHOLE)
    kinds = {"hbb": HBB, "obb": OBB, "polygon": Polygon, "mask": Mask}
    assert type(region.shape) is kinds[kind]
    truth = Polygon(tuple(map(tuple, ASKEW.rings[0])))
    least = {"hbb": 0.3, "obb": 0.95, "polygon": 0.95, "mask": 0.4}[kind]
    assert iou(region.shape, truth) > least
    assert region.shape.hbb.iou(truth.hbb) > 0.5


def test_an_outline_is_short_and_still_fits() -> None:
    item = disc(100, 50, 40)
    text = items_text([item], "", "polygon", SIZE)
    (region,) = RsvlmCodec().parse(text, WHOLE)
    assert isinstance(region.shape, Polygon)
    assert 5 <= len(region.shape.exterior) <= MOST_CORNERS
    truth = Polygon(tuple(map(tuple, item.rings[0])))
    assert iou(region.shape, truth) > 0.85


def test_one_mask_covers_all_objects() -> None:
    text = items_text([disc(30, 30, 20), disc(150, 70, 20)], "tank", "mask", SIZE)
    assert text.count("mask[") == 1
    (region,) = RsvlmCodec().parse(text, WHOLE)
    assert region.shape.hbb.iou(HBB(10, 10, 170, 90)) > 0.8


@pytest.mark.parametrize(("kind", "found"), [("hbb", 3), ("mask", 2)])
def test_each_object_has_its_own_label(kind: str, found: int) -> None:
    items = [disc(30, 30, 20), disc(150, 70, 20), ASKEW]
    regions = RsvlmCodec().parse(items_text(items, None, kind, SIZE), WHOLE)
    assert {region.label for region in regions} == {"tank", "ship"}
    assert len(regions) == found


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("mirror", [False, True])
def test_a_mask_turns_with_its_picture(quarter: int, mirror: bool) -> None:
    array = np.zeros((100, 200), np.uint8)
    array[12:62, 25:50] = 1
    array[62:75, 25:175] = 1
    counts = coco.encode(np.asfortranarray(array))["counts"].decode()
    text = mask_text(MaskRle(size=(100, 200), counts=counts), "lake", quarter, mirror)
    shown, _ = turn(array[..., None].repeat(3, -1), [], quarter, mirror)
    height, width = shown.shape[:2]
    window = Window.whole(width, height, width, height)
    (region,) = RsvlmCodec().parse(text, window)
    assert region.label == "lake"
    truth = Mask.from_array(shown[..., 0].astype(bool))
    assert iou(region.shape, truth) > 0.7


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("mirror", [False, True])
def test_sides_turn_with_the_picture(quarter: int, mirror: bool) -> None:
    marks = {"left": (0, 5), "right": (10, 5), "top": (5, 0), "bottom": (5, 10)}
    for side, (x, y) in marks.items():
        item = Item("a", (np.array([[x, y], [x, y]], float),))
        _, (moved,) = turn(np.zeros((10, 10, 3), np.uint8), [item], quarter, mirror)
        place = (round(moved.hbb[0]), round(moved.hbb[1]))
        new = turned_side(side, quarter, mirror)
        assert marks[new] == place
        for before, after in zip(SIDES[side], SIDES[new], strict=True):
            asked = f"Where is the ship {before} the pier?"
            wanted = f"Where is the ship {after} the pier?"
            assert turned_words(asked, side, quarter, mirror) == wanted
