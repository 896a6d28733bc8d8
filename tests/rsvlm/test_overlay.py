"""Pictures of regions."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, Shape, Window
from rsvlm.outputs import PALETTE
from rsvlm.overlay import CROWD, draw

WHOLE = Window.whole(1000, 800, 1000, 800)


def gray(width: int = 1000, height: int = 800) -> NDArray[np.uint8]:
    return np.full((height, width, 3), 90, np.uint8)


def is_colour(pixels: NDArray[np.uint8], index: int = 0) -> NDArray[np.bool_]:
    """Return where a palette colour stands, shape (H, W)."""
    near = np.abs(pixels.astype(int) - PALETTE[index]).max(-1) <= 4
    return np.asarray(near)


def changed(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((pixels != 90).any(-1))


def test_nothing_to_draw_leaves_the_view_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (800, 1000, 3), np.uint8)
    before = pixels.copy()
    assert (draw(pixels, [], WHOLE) == before).all()
    draw(pixels, [Region(HBB(0, 0, 900, 700), "field")], WHOLE, gsd=1.0)
    assert (pixels == before).all()  # the caller's pixels stay


def test_box_is_drawn_where_it_lies() -> None:
    # The view shows raster columns 2000..4000 and rows 1000..2600 at half size.
    window = Window(HBB(2000, 1000, 4000, 2600), 1000, 800)
    out = draw(gray(), [Region(HBB(2400, 1400, 3000, 1800), "ship")], window)
    hit = is_colour(out)
    assert hit[300, 198:203].any()  # left edge at x = 200, between y = 200 and 400
    assert hit[300, 498:503].any()  # right edge at x = 500
    assert hit[198:203, 400].any()
    assert hit[398:403, 400].any()
    assert not changed(out)[210:390, 210:490].any()  # the inside is not covered
    assert not changed(out)[:, 520:].any()


def test_oriented_box_follows_its_angle() -> None:
    out = draw(gray(), [Region(OBB.from_center(500, 400, 300, 100, 45))], WHOLE)
    hit = is_colour(out)
    # Middles of the long edges lie 50 px beside the centre, across the 45 degrees.
    shift = round(50 / 2**0.5)
    assert hit[400 + shift - 3 : 400 + shift + 4, 500 - shift].any()
    assert hit[400 - shift - 3 : 400 - shift + 4, 500 + shift].any()
    assert not hit[400, 500]


def test_polygon_is_filled_but_not_its_hole() -> None:
    square = Polygon(
        ((200, 200), (600, 200), (600, 600), (200, 600)),
        (((350, 350), (450, 350), (450, 450), (350, 450)),),
    )
    out = draw(gray(), [Region(square, "pond")], WHOLE)
    assert changed(out)[280, 280]
    assert not is_colour(out)[280, 280]  # half transparent
    assert not changed(out)[400, 400]
    assert is_colour(out)[348:353, 400].any()  # outline of the hole


def test_mask_is_filled_and_outlined_in_a_zoomed_window() -> None:
    # The mask reaches far beyond the window on all sides but the right.
    pixels = np.ones((4000, 2500), dtype=bool)
    mask = Mask.from_array(pixels)
    window = Window(HBB(2000, 1000, 3000, 1800), 1000, 800)
    out = draw(gray(), [Region(mask, "water")], window)
    fill = changed(out)
    assert fill[700, 100]
    assert fill[700, 450]
    assert is_colour(out)[700, 494:501].any()
    assert not fill[100:, 510:].any()  # the tag stands above that


def test_regions_outside_the_window_are_left_out() -> None:
    window = Window(HBB(0, 0, 100, 80), 1000, 800)
    regions = [Region(HBB(200, 0, 220, 20), "ship"), Region(HBB(0, 90, 9, 99), "ship")]
    assert not changed(draw(gray(), regions, window)).any()


def test_tags_stay_inside_and_do_not_overlap() -> None:
    # Boxes along the upper edge and in the corner, so that tags must give way.
    boxes = [HBB(150 * n, 0, 150 * n + 90, 30) for n in range(6)]
    boxes += [HBB(960, 0, 1000, 40), HBB(960, 760, 1000, 800)]
    one = is_tag(draw(gray(), [Region(HBB(400, 400, 490, 430), "tank")], WHOLE)).sum()
    out = draw(gray(), [Region(box, "tank") for box in boxes], WHOLE)
    assert out.shape == (800, 1000, 3)
    assert is_tag(out).sum() == pytest.approx(len(boxes) * one, rel=0.05)


def is_tag(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where the plate of a tag in the first colour stands, shape (H, W)."""
    plate = np.array(PALETTE[0]) * 230 / 255 + 90 * 25 / 255
    return np.asarray(np.abs(pixels - plate).max(-1) < 3)


def test_labels_get_colours_of_their_own() -> None:
    regions = [
        Region(HBB(100, 100, 300, 300), "ship"),
        Region(HBB(500, 100, 700, 300), "airplane"),
    ]
    out = draw(gray(), regions, WHOLE)
    # By name, so that two pictures of one answer agree: airplane comes first.
    assert is_colour(out, 0)[:, 450:].any()
    assert not is_colour(out, 0)[:, :450].any()
    assert is_colour(out, 1)[:, :450].any()


def test_a_crowd_is_outlined_and_counted() -> None:
    regions = [
        Region(
            HBB(
                100 * (n % 10),
                100 * (n // 10),
                100 * (n % 10) + 50,
                100 * (n // 10) + 50,
            ),
            "tree",
        )
        for n in range(CROWD + 1)
    ]
    few = draw(gray(), regions[:CROWD], WHOLE)
    many = draw(gray(), regions, WHOLE)
    assert few.shape == (800, 1000, 3)
    assert is_tag(few).any()
    assert not is_tag(many).any()
    assert many.shape[0] > 800  # a legend below
    assert is_colour(many)[800:].any()


def test_bands_do_not_hide_the_picture() -> None:
    plain = draw(gray(), [], WHOLE)
    out = draw(gray(), [], WHOLE, "port.tif", footer="Q: What?\n" + "A: a word " * 60)
    top = int(np.argmax((out == 90).all((1, 2))))
    assert 10 < top < 60
    assert (out[top : top + 800] == plain).all()
    assert (out[:top].max((1, 2)) > 200).any()  # ink
    assert len(out) - top - 800 > 2 * top  # several lines
    words = draw(gray(), [], WHOLE, footer="x" * 100_000)
    assert len(words) < 800 + 13 * 40  # a flood of text is cut


@pytest.mark.parametrize(
    ("gsd", "metres"), [(0.5, 100), (1.0, 200), (30.0, 5000), (0.03, 5)]
)
def test_scale_bar_has_a_round_length(gsd: float, metres: float) -> None:
    out = draw(gray(), [], WHOLE, gsd=gsd)
    white: NDArray[np.bool_] = np.all(out[700:] > 200, axis=-1)
    columns = np.flatnonzero(white[int(np.argmax(white.sum(axis=1)))])
    length = columns[-1] - columns[0]
    assert length == pytest.approx(metres / gsd, abs=3)


def test_scale_bar_knows_the_window() -> None:
    # 2000 raster pixels of 0.5 m on 1000 drawn ones: 1 m a drawn pixel.
    out = draw(gray(), [], Window(HBB(0, 0, 2000, 1600), 1000, 800), gsd=0.5)
    assert (out == draw(gray(), [], WHOLE, gsd=1.0)).all()


def test_small_views_are_enlarged() -> None:
    pixels = gray(100, 50)
    window = Window.whole(100, 50, 100, 50)
    region = Region(HBB(25, 25, 50, 40), "ship")
    out = draw(pixels, [region], window)
    assert out.shape == (400, 800, 3)
    assert is_colour(out)[260, 198:203].any()  # x = 25 at 8 times the size
    assert draw(pixels, [region], window, enlarge_to=0).shape == (50, 100, 3)


@pytest.mark.parametrize("size", [(1, 1), (400, 2), (2, 400)])
def test_odd_labels_and_sizes_do_no_harm(size: tuple[int, int]) -> None:
    width, height = size
    labels = ["", "a\nb\tc", "\u4e2d\u6587 \U0001f6a2", "w" * 5000]
    shapes: list[Shape] = [
        HBB(0, 0, width, height),
        HBB(0.5, 0.5, 0.5, 0.5),
        Mask.from_array(np.ones((height, width), dtype=bool)),
        Polygon(((0, 0), (width, 0), (width, height))),
    ]
    regions = [Region(s, label) for s, label in zip(shapes, labels, strict=True)]
    window = Window.whole(width, height, width, height)
    for group in (regions, regions * 8):
        words = " ".join(labels)
        out = draw(gray(width, height), group, window, words, footer=words, gsd=0.1)
        assert out.dtype == np.uint8
        assert out.shape[2] == 3


def test_pixels_that_are_no_picture_are_refused() -> None:
    with pytest.raises(ValueError, match=r"uint8 \(H, W, 3\), got float64"):
        draw(np.zeros((4, 4, 3)), [], Window.whole(4, 4, 4, 4))  # type: ignore[arg-type]
