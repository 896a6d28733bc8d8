"""Needle in a scene: one object, known place, none of its class in the hay."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsvlm.eval.convert import needle
from rsvlm.eval.convert.vhr10 import read_labels


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needle, "GRIDS", (2, 3))
    monkeypatch.setattr(needle, "PIECE", 32)


def _put(tree: Any) -> None:
    """Three images: ships, a harbour, a storage tank; objects are painted white."""
    tree.vhr10(
        {
            "001.webp": (90, 70, [("ship", 5, 5, 10, 8), ("ship", 60, 40, 10, 8)]),
            "002.webp": (80, 64, [("harbor", 10, 10, 20, 20)]),
            "003.webp": (70, 64, [("storage_tank", 20, 20, 12, 12)]),
        }
    )


def test_the_box_lies_where_the_object_is_drawn(tree: Any) -> None:
    _put(tree)
    samples = {s.images[0].path: s for s in needle.convert(tree.root)}
    pictures = dict(needle.pictures(tree.root))
    assert set(samples) == set(pictures)
    ships = [s for s in samples.values() if s.meta["label"] == "ship"]
    assert {s.type for s in ships} == {"64 px", "96 px"}
    for sample in ships:
        with Image.open(BytesIO(pictures[sample.images[0].path])) as image:
            assert image.size == (sample.images[0].width, sample.images[0].height)
            bright = np.asarray(image.convert("L")) > 170
        x0, y0, x1, y1 = map(int, sample.targets[0].hbb)
        assert bright[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].all()
        assert sample.roi == sample.targets[0].hbb
        assert sample.meta["share"] == pytest.approx(80 / image.size[0] ** 2, abs=1e-6)


def test_hay_shows_nothing_of_the_class_nor_what_hides_it(tree: Any) -> None:
    _put(tree)
    images, classes = read_labels(tree.root)
    canvases = [c for c in needle.plan(images, classes) if c.label == "ship"]
    for canvas in canvases:
        others = [piece.name for piece in canvas.pieces if piece.name != "001.webp"]
        assert len(others) == canvas.grid**2 - 1
        # Boats beside a harbour carry no label.
        assert set(others) == {"003.webp"}


def test_a_window_shows_the_whole_object_and_no_other_of_its_class(tree: Any) -> None:
    _put(tree)
    images, classes = read_labels(tree.root)
    for canvas in needle.plan(images, classes):
        (window,) = [p for p in canvas.pieces if (canvas.label, p.name) in {
            ("ship", "001.webp"), ("harbor", "002.webp"), ("storage tank", "003.webp")
        }]  # fmt: skip
        image = next(i for i in images if i.name == window.name)
        inside = [
            t
            for t in image.of(canvas.label)
            if t.hbb[0] < window.x + 32
            and t.hbb[2] > window.x
            and t.hbb[1] < window.y + 32
            and t.hbb[3] > window.y
        ]
        assert len(inside) == 1
        x0, y0, x1, y1 = inside[0].hbb
        assert window.x <= x0
        assert x1 <= window.x + 32
        assert window.y <= y0
        assert y1 <= window.y + 32


def test_vehicles_are_no_needles(tree: Any) -> None:
    tree.vhr10(
        {
            "001.webp": (90, 70, [("vehicle", 5, 5, 10, 8)]),
            "002.webp": (90, 70, [("harbor", 5, 5, 60, 40)]),
        }
    )
    # The harbour is larger than a piece, a vehicle may stand anywhere unlabelled.
    assert list(needle.convert(tree.root)) == []
