"""Boxes stay on their objects when a picture is turned, cut or scaled."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from rsvlm.errors import ImageError
from rsvlm.samples import Target
from rsvlm.training.augment import (
    Item,
    crop,
    items_of,
    load_picture,
    move,
    place,
    recolour,
    resize,
    retint,
    turn,
    vary,
)

Box = tuple[float, float, float, float]


@st.composite
def pictures(draw: st.DrawFn) -> tuple[NDArray[np.uint8], Item]:
    """A dark picture with one bright box, and the item that names it."""
    height, width = draw(st.integers(4, 60)), draw(st.integers(4, 60))
    x0, y0 = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    picture = np.zeros((height, width, 3), np.uint8)
    picture[y0:y1, x0:x1] = 255
    ring = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)
    return picture, Item("ship", (ring,))


def bright(picture: NDArray[np.uint8]) -> Box:
    """Return the box around the bright pixels."""
    ys, xs = np.nonzero(picture[..., 0] > 127)
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


@given(pictures(), st.integers(-2, 9), st.booleans())
def test_turning(made: tuple[NDArray[np.uint8], Item], quarter: int, m: bool) -> None:
    picture, (moved,) = turn(made[0], [made[1]], quarter, m)
    assert bright(picture) == moved.hbb
    if not quarter % 4 and not m:
        assert (picture == made[0]).all()
    elif quarter % 2:
        assert picture.shape[:2] == made[0].shape[1::-1]


def test_a_quarter_is_counter_clockwise() -> None:
    picture = np.zeros((2, 4, 3), np.uint8)
    picture[0, 3] = 255  # top right goes to the top left
    turned, _ = turn(picture, [], 1, False)
    assert bright(turned) == (0, 0, 1, 1)
    mirrored, _ = turn(picture, [], 1, True)
    assert bright(mirrored) == (1, 0, 2, 1)


@given(pictures(), st.data())
def test_cropping(made: tuple[NDArray[np.uint8], Item], data: st.DataObject) -> None:
    picture, item = made
    height, width = picture.shape[:2]
    x0 = data.draw(st.integers(0, width - 1))
    y0 = data.draw(st.integers(0, height - 1))
    x1 = data.draw(st.integers(x0 + 1, width))
    y1 = data.draw(st.integers(y0 + 1, height))
    cut, inside = crop(picture, [item], (x0, y0, x1, y1))
    assert cut.shape[:2] == (y1 - y0, x1 - x0)
    share = (cut[..., 0] > 0).sum() / (picture[..., 0] > 0).sum()
    assert bool(inside) == (share >= 0.02)
    if inside:
        assert bright(cut) == inside[0].hbb
        assert inside[0].whole == (share >= 0.4)


def test_a_cut_polygon_ends_where_it_is_cut() -> None:
    # A slanting strip from the top left to the bottom right.
    strip = np.array(
        [[0, 0], [10, 0], [100, 90], [100, 100], [90, 100], [0, 10]], float
    )
    far = np.array([[200, 200], [210, 200], [210, 210]], float)
    picture = np.zeros((220, 220, 3), np.uint8)
    _, (item,) = crop(
        picture, [Item("bridge", (strip, far))], (0, 0, 220, 50), kept=0.1
    )
    # At the height of 50 the strip reaches from 40 to 60, not to its far end at 100.
    assert item.hbb == (0, 0, 60, 50)
    assert len(item.rings) == 1  # the other one is out of sight


def test_an_object_that_shows_no_pixel_is_lost() -> None:
    # The window holds a quarter of the box around the triangle, but nothing of it.
    triangle = np.array([[0, 0], [20, 0], [0, 20]], float)
    picture = np.zeros((20, 20, 3), np.uint8)
    _, items = crop(picture, [Item("a", (triangle,))], (11, 11, 20, 20), kept=0.2)
    assert items == []


@given(pictures(), st.integers(8, 200))
def test_scaling(made: tuple[NDArray[np.uint8], Item], side: int) -> None:
    picture, (moved,) = resize(made[0], [made[1]], side)
    assert max(picture.shape[:2]) == side
    scale = picture.shape[1] / made[0].shape[1], picture.shape[0] / made[0].shape[0]
    expected = np.array(made[1].hbb) * (*scale, *scale)
    assert moved.hbb == pytest.approx(tuple(expected))
    x0, y0, x1, y1 = moved.hbb
    if x1 - x0 > 3 and y1 - y0 > 3:
        assert np.abs(np.array(bright(picture)) - moved.hbb).max() <= 1 + max(scale)


@given(pictures(), st.integers(0, 2**32))
def test_variants(made: tuple[NDArray[np.uint8], Item], seed: int) -> None:
    picture, items = move(made[0], [made[1]], np.random.default_rng(seed))
    assert bright(picture) == items[0].hbb  # never lost
    again, same = vary(made[0], [made[1]], np.random.default_rng(seed))
    assert same[0].hbb == items[0].hbb
    assert again.shape == picture.shape


def test_recolouring_moves_nothing() -> None:
    picture = np.zeros((20, 20, 3), np.uint8)
    picture[5:9, 3:7] = (220, 200, 180)
    colours = {bytes(recolour(picture, np.random.default_rng(i))) for i in range(9)}
    assert len(colours) == 9
    for seed in range(20):
        other = recolour(picture, np.random.default_rng(seed))
        assert other.dtype == np.uint8
        inside = np.zeros((20, 20), bool)
        inside[5:9, 3:7] = True
        assert other[inside].mean() > other[~inside].mean() + 50


def test_targets_become_items() -> None:
    rings = ((0.0, 0.0, 4.0, 0.0, 4.0, 2.0), (6.0, 6.0, 9.0, 6.0, 9.0, 9.0))
    both, box = items_of(
        [
            Target(label="a", hbb=(0, 0, 9, 9), polygons=rings),
            Target(label="b", hbb=(1, 2, 3, 4)),
        ]
    )
    assert both.hbb == (0, 0, 9, 9)
    assert [ring.shape for ring in both.rings] == [(3, 2), (3, 2)]
    assert box.rings[0].tolist() == [[1, 2], [3, 2], [3, 4], [1, 4]]


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("LA", (3, 2), (9, 9)).save(path)
    assert load_picture(path).shape == (2, 3, 3)
    path.write_bytes(path.read_bytes()[:40])
    for bad in (path, tmp_path / "none.png"):
        with pytest.raises(
            ImageError, match=f"cannot read the picture {bad}"
        ) as caught:
            load_picture(bad)
        assert "\n" not in str(caught.value)


@given(pictures(), st.integers(8, 200), st.integers(0, 9))
def test_a_view_is_square_and_shows_the_object(
    made: tuple[NDArray[np.uint8], Item], side: int, seed: int
) -> None:
    picture, item = made
    view, inside = place(picture, [item], side, side, np.random.default_rng(seed))
    assert view.shape == (side, side, 3)
    for found in inside:
        x0, y0, x1, y1 = found.hbb
        assert -1e-6 <= x0 <= x1 <= side + 1e-6
        assert -1e-6 <= y0 <= y1 <= side + 1e-6
        if min(x1 - x0, y1 - y0) > 3 * side / min(picture.shape[:2]):
            inner = view[int(y0) + 2 : int(y1) - 1, int(x0) + 2 : int(x1) - 1]
            assert inner.size == 0 or inner.mean() > 150


def test_a_window_shows_objects_as_large_as_a_whole_view() -> None:
    """A window of half the side cuts, and does not shrink, what a view shows."""
    ring = np.array([[36, 34], [44, 34], [44, 46], [36, 46]], float)
    picture = np.zeros((80, 80, 3), np.uint8)
    compared = 0
    for seed in range(60):
        sizes = []
        for side in (80, 40):
            rng = np.random.default_rng(seed)
            _, inside = place(picture, [Item("ship", (ring,))], side, 80, rng)
            boxes = [found.hbb for found in inside]
            clear = [b for b in boxes if min(b[:2]) > 1 and max(b[2:]) < side - 1]
            sizes += [sorted((b[2] - b[0], b[3] - b[1])) for b in clear]
        if len(sizes) == 2:
            compared += 1
            assert np.allclose(sizes[0], sizes[1], rtol=0.05, atol=0.5)
    assert compared > 10


def test_one_matrix_changes_all_colours() -> None:
    picture = np.random.default_rng(0).integers(60, 190, (40, 40, 3), np.uint8)
    changed = recolour(picture, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    values = picture.astype(float)
    gray = values.mean(-1, keepdims=True)
    values = gray + (values - gray) * rng.uniform(0.5, 1.3)
    mean = picture[::4, ::4].mean()
    values = (values - mean) * rng.uniform(0.75, 1.3) + mean
    values = values * rng.uniform(0.85, 1.15, size=3) + rng.uniform(-25, 25)
    assert np.abs(changed - values.clip(0, 255)).max() <= 1


def test_some_views_are_gray_or_look_like_infrared() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    tinted = [retint(picture, np.random.default_rng(seed)) for seed in range(200)]
    gray = sum(np.ptp(t, axis=-1).max() == 0 for t in tinted)
    swapped = sum(np.array_equal(t[..., 0], picture[..., 1]) for t in tinted)
    same = sum(np.array_equal(t, picture) for t in tinted)
    assert 8 < gray < 40
    assert 8 < swapped < 40
    assert same == 200 - gray - swapped
