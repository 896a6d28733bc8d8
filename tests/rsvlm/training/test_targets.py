"""Targets say where the objects are: the peaks of perfect maps are the boxes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rsvlm.models.region_head import peaks
from rsvlm.samples import Target
from rsvlm.training.augment import Item, items_of
from rsvlm.training.region_data import turn_entry
from rsvlm.training.targets import region_targets

LABELS = ["ship", "tank"]
CELLS, FINE = (16, 20), (32, 40)  # of 7 px and 3.5 px: 140 x 112 px
WIDTH, HEIGHT = 140, 112


def boxed(label: str, x0: float, y0: float, x1: float, y1: float) -> Item:
    ring = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return Item(label, (ring,))


def entry_of(items: list[Item], swapped: bool = False) -> dict[str, Tensor]:
    cells, fine = (CELLS[::-1], FINE[::-1]) if swapped else (CELLS, FINE)
    targets = region_targets(items, LABELS, cells, 7.0, fine)
    return {
        name: getattr(targets, name)
        for name in ("heat", "size", "offset", "weight", "mask")
    }


def found(entry: dict[str, Tensor], k: int) -> list[tuple[float, ...]]:
    heat = torch.logit(entry["heat"][k].clamp(1e-4, 1 - 1e-4))
    boxes = peaks(heat, entry["size"], entry["offset"], 7.0, 50)
    return sorted(item.box for item in boxes if item.score > 0.99)


@st.composite
def scenes(draw: st.DrawFn) -> list[Item]:
    """One object or none in each block of 28 px, so that none hides another."""
    items = []
    number = st.floats(0, 1, allow_nan=False)
    for top in range(0, HEIGHT, 28):
        for left in range(0, WIDTH, 28):
            if draw(st.booleans()):
                # Never exactly on the border of a cell.
                x, y = (round(10 + 8 * draw(number), 1) + 0.033 for _ in range(2))
                w, h = (round(2 + 17 * draw(number), 1) for _ in range(2))
                box = (x - w / 2 + left, y - h / 2 + top)
                label = draw(st.sampled_from(LABELS))
                items.append(boxed(label, *box, box[0] + w, box[1] + h))
    return items


def assert_boxes(entry: dict[str, Tensor], items: list[Item]) -> None:
    for k, label in enumerate(LABELS):
        expected = sorted(item.hbb for item in items if item.label == label)
        boxes = found(entry, k)
        assert len(boxes) == len(expected)
        left = list(boxes)  # two boxes may share a coordinate: no order holds
        for truth in expected:
            near = min(
                left,
                key=lambda box: sum(
                    abs(a - b) for a, b in zip(box, truth, strict=True)
                ),
            )
            assert near == pytest.approx(truth, abs=0.05)
            left.remove(near)


@settings(max_examples=40)
@given(scenes())
def test_peaks_of_perfect_maps_are_the_boxes(items: list[Item]) -> None:
    assert_boxes(entry_of(items), items)


@settings(max_examples=40)
@given(scenes(), st.booleans(), st.booleans(), st.booleans())
def test_turned_targets_are_those_of_the_turned_picture(
    items: list[Item], mirror: bool, flip: bool, swap: bool
) -> None:
    moved = []
    for item in items:
        x0, y0, x1, y1 = item.hbb
        if mirror:
            x0, x1 = WIDTH - x1, WIDTH - x0
        if flip:
            y0, y1 = HEIGHT - y1, HEIGHT - y0
        if swap:
            x0, y0, x1, y1 = y0, x0, y1, x1
        moved.append(boxed(item.label, x0, y0, x1, y1))
    entry = turn_entry(entry_of(items), int(mirror), int(flip), int(swap))
    assert_boxes(entry, moved)
    expected = entry_of(moved, swapped=swap)
    for name, value in entry.items():
        assert value.shape == expected[name].shape
    for name in ("heat", "weight", "mask"):
        assert torch.allclose(entry[name], expected[name], atol=1e-5), name
    counted = (expected["weight"] > 0)[None]
    for name in ("size", "offset"):
        difference = (entry[name] - expected[name]) * counted
        assert difference.abs().max() < 1e-3, name


def test_a_mask_is_as_large_as_its_object() -> None:
    rng = np.random.default_rng(0)
    ratios, middles = [], []
    for _ in range(300):
        w, h = rng.uniform(15, 60, 2)
        x, y = rng.uniform(40, 70, 2)
        angle = rng.uniform(0, np.pi)
        turn = np.array(
            [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        )
        ring = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 @ turn + [x, y]
        mask = entry_of([Item("ship", (ring,))])["mask"][0].numpy()
        ratios.append(mask.sum() * 3.5**2 / (w * h))
        rows, columns = np.nonzero(mask)
        middles.append([columns.mean() + 0.5 - x / 3.5, rows.mean() + 0.5 - y / 3.5])
    assert np.mean(ratios) == pytest.approx(1, abs=0.01)
    assert np.mean(middles, 0) == pytest.approx([0, 0], abs=0.05)


def test_an_object_smaller_than_a_cell_has_one() -> None:
    entry = entry_of(
        [boxed("ship", 35.2, 21.2, 36, 22), boxed("tank", 139, 111, 140, 112)]
    )
    assert entry["mask"][0].nonzero().tolist() == [[6, 10]]
    assert entry["mask"][1].nonzero().tolist() == [[31, 39]]
    assert found(entry, 0)[0] == pytest.approx(
        (35.1, 21.1, 36.1, 22.1)
    )  # 1 px at least


def test_several_rings_make_one_object() -> None:
    rings = (boxed("", 0, 0, 14, 14).rings[0], boxed("", 28, 0, 42, 14).rings[0])
    entry = entry_of([Item("ship", rings)])
    assert entry["mask"][0].sum() == 2 * 16
    assert found(entry, 0) == [pytest.approx((0, 0, 42, 14), abs=0.01)]


def test_an_unknown_label_has_a_size_but_no_heat() -> None:
    entry = entry_of([boxed("cloud", 20, 20, 60, 60)])
    assert entry["heat"].sum() == entry["mask"].sum() == 0
    assert entry["weight"].max() == 1


def test_a_fragment_is_no_object_and_no_mistake() -> None:
    fragment = replace(boxed("ship", 0, 30, 20, 60), whole=False)
    whole = boxed("ship", 70, 30, 100, 60)
    entry = entry_of([fragment, whole])
    assert_boxes(entry, [whole])
    heat = entry["heat"][0, 4:9, :3]  # its cells of 7 px
    assert heat.min() >= 0.95
    assert heat.max() < 0.99
    assert entry["mask"][0, 9:17, :5].all()  # its pixels are those of a ship
    assert not entry["weight"][4:9, :3].any()


def test_a_box_alone_says_nothing_of_the_mask() -> None:
    alone = replace(boxed("ship", 7, 28, 28, 56), outlined=False)
    other = boxed("ship", 70, 30, 100, 60)
    targets = region_targets([alone, other], LABELS, CELLS, 7.0, FINE)
    assert_boxes(entry_of([alone, other]), [alone, other])
    assert not targets.mask[0, 8:16, 2:8].any()
    assert not targets.outlined[0, 8:16, 2:8].any()
    assert targets.outlined[0].sum() == FINE[0] * FINE[1] - 8 * 6
    assert targets.mask[0].sum() > 0
    assert targets.outlined[1].all()


def test_a_target_without_polygon_is_its_box() -> None:
    hbb, ring = (1.0, 2.0, 3.0, 5.0), ((1.0, 2.0, 3.0, 2.0, 3.0, 5.0),)
    box, drawn = items_of(
        [Target(label="a", hbb=hbb), Target(label="a", hbb=hbb, polygons=ring)]
    )
    assert (box.hbb, box.outlined) == (hbb, False)
    assert (drawn.hbb, drawn.outlined) == (hbb, True)
