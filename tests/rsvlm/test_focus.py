"""Places in an image: their geometry, and the raster of a place."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from rsvlm.errors import SettingsError
from rsvlm.findings import Findings
from rsvlm.focus import Focus, RasterPart, around, inside, kept
from rsvlm.geometry import HBB, Region
from rsvlm.raster import Raster
from tests.rsvlm.ramp import HEIGHT, WIDTH, write


@pytest.fixture
def raster(tmp_path: Path) -> Iterator[Raster]:
    with Raster.open(write(tmp_path / "port.tif")) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raster]:
    with Raster.open(write(tmp_path_factory.mktemp("focus") / "port.tif")) as opened:
        yield opened


# --- geometry -------------------------------------------------------------------------


@st.composite
def boxes(draw: st.DrawFn) -> HBB:
    x0, y0 = draw(st.integers(0, WIDTH - 2)), draw(st.integers(0, HEIGHT - 2))
    x1 = draw(st.integers(x0 + 1, WIDTH - 1))
    return HBB(x0, y0, x1, draw(st.integers(y0 + 1, HEIGHT - 1)))


@settings(deadline=None)
@given(st.lists(boxes(), min_size=1, max_size=3), st.integers(0, 500))
def test_a_part_holds_its_places_and_lies_in_the_raster(
    shared: Raster, places: list[HBB], least: int
) -> None:
    part = RasterPart(shared, places, least)
    frame = HBB(0, 0, WIDTH, HEIGHT)
    assert part.box.intersection(frame) == part.box.area
    assert min(part.width - min(least, WIDTH), part.height - min(least, HEIGHT)) >= 0
    assert (part.width, part.height) == (part.box.width, part.box.height)
    for place, here in zip(places, part.places, strict=True):
        assert part.box.intersection(place) == place.area
        found = part.to_whole(Region(here, "ship"), 3)
        assert (found.shape, found.image) == (place, 3)
        assert part.holds(Region(here))


@settings(deadline=None)
@given(boxes())
def test_a_part_lies_where_it_is_cut_out(shared: Raster, place: HBB) -> None:
    part = RasterPart(shared, [place])
    assert part.georeference is not None
    assert shared.georeference is not None
    for x, y in ((0.0, 0.0), (12.5, 7.0)):
        here = part.georeference.lonlat([(x, y)])
        whole = shared.georeference.lonlat([(x + part.box.x0, y + part.box.y0)])
        assert_allclose(here, whole, atol=1e-12)
    exact = RasterPart(shared, [place], None)
    assert exact.box == place


@settings(deadline=None, max_examples=20)
@given(boxes())
def test_a_part_is_drawn_as_the_raster_is(shared: Raster, place: HBB) -> None:
    part = RasterPart(shared, [place], 64)
    window = HBB(0, 0, part.width, part.height)
    own = part.view(window, part.width, part.height)
    same = shared.view(part.box, part.width, part.height)
    assert_array_equal(own.pixels, same.pixels)
    assert own.window.box == window
    assert_array_equal(part.read(window, 8, 8), shared.read(part.box, 8, 8))
    assert part.preview(48).pixels.shape[0] <= 48
    assert part.sha256 != shared.sha256


def test_what_lies_beyond_a_part_is_drawn_too(raster: Raster) -> None:
    part = RasterPart(raster, [HBB(100, 100, 120, 120)], None)
    view = part.view(HBB(-20, -20, 40, 40), 60, 60)
    assert view.valid is None or view.valid.all()
    assert_array_equal(view.pixels, raster.view(HBB(80, 80, 140, 140), 60, 60).pixels)


@given(st.floats(0, WIDTH - 0.01), st.floats(0, HEIGHT - 0.01))
def test_a_click_is_a_small_box_about_it(shared: Raster, x: float, y: float) -> None:
    focus = around(shared, x, y)
    box = focus.box
    assert box.x0 <= x <= box.x1
    assert box.y0 <= y <= box.y1
    assert (box.width, box.height) == pytest.approx(
        (20, 20), rel=1e-3
    )  # 20 m at 1 m/px
    assert inside(focus, [shared]) == focus


@pytest.mark.parametrize("point", [(-1, 5), (5, -1), (WIDTH, 5), (5, HEIGHT + 9)])
def test_a_click_beside_the_image_is_refused(
    raster: Raster, point: tuple[float, float]
) -> None:
    with pytest.raises(SettingsError, match="lies outside"):
        around(raster, *point)


def test_a_place_is_clipped_or_refused(raster: Raster) -> None:
    assert inside(Focus(0, HBB(-5, 290, 10, 400)), [raster]).box == HBB(0, 290, 10, 300)
    with pytest.raises(SettingsError, match="outside"):
        inside(Focus(0, HBB(500, 0, 600, 10)), [raster])
    with pytest.raises(SettingsError, match="no image 2"):
        inside(Focus(1, HBB(0, 0, 9, 9)), [raster])


def test_how_sure_the_best_is_holds_for_the_place(raster: Raster) -> None:
    part = RasterPart(raster, [HBB(100, 100, 140, 140)])
    x, y = part.box.x0, part.box.y0
    near = Region(HBB(110 - x, 110 - y, 120 - x, 120 - y), "ship", 0.6)
    far = Region(HBB(60 - x, 110 - y, 70 - x, 120 - y), "ship", 0.8)
    assert kept(Findings((far, near), 0.8), [part]) == Findings((near,), 0.6)
    assert kept(Findings((far,), 0.95), [part]) == Findings((), 0.8)
    assert kept(Findings((far,), 0.95), [raster]) == Findings((far,), 0.95)
