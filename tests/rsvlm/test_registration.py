"""What lies in one image is found in another, or it is said that it cannot be."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from rsvlm import registration
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, OBB, Mask, Polygon
from rsvlm.georeference import GeoReference
from rsvlm.grids import Grid
from rsvlm.raster import Raster
from rsvlm.registration import register


def grid(
    code: int, *transform: float, width: int = 100, height: int = 80, name: str = ""
) -> Grid:
    found = GeoReference.create(CRS.from_epsg(code).to_wkt(), transform)
    assert found is not None
    return Grid(name, width, height, found)


#: 10 m pixels, and 30 m pixels from 300 m further south-east.
FINE = grid(32611, 10, 0, 500000, 0, -10, 4000000, width=300, height=300)
COARSE = grid(32611, 30, 0, 500300, 0, -30, 3999700, width=100, height=100)
#: The ground of FINE, in degrees.
DEGREES = grid(4326, 1e-4, 0, -117.0, 0, -1e-4, 36.145, width=400, height=300)
NOWHERE = Grid("", 300, 300)
TO_DEGREES = register([FINE, DEGREES])


def test_one_grid() -> None:
    other = GeoReference(
        FINE.georeference.crs_wkt if FINE.georeference else "",
        (10, 0, 500000 + 1e-7, 0, -10, 4000000),
    )
    found = register([FINE, Grid("", 300, 300, other)])
    pair = found.pair(0, 1)
    assert pair is not None
    assert (pair.same_crs, pair.same_grid, pair.share) == (True, True, 1)
    assert found.facts == ("Images 1 and 2 lie on the same grid, pixel by pixel.",)
    assert found.warnings == ()
    box = HBB(10.3, 20, 30, 40)
    assert found.map(box, 1, 0) == box
    mask = Mask.from_array(np.eye(5, dtype=bool), 7, 9)
    copy = found.map(mask, 0, 1)
    assert isinstance(copy, Mask)
    assert copy.hbb == mask.hbb
    assert np.array_equal(copy.to_array(), np.eye(5, dtype=bool))


def test_half_a_pixel_apart_is_another_grid() -> None:
    shifted = grid(32611, 10, 0, 500005, 0, -10, 4000000, width=300, height=300)
    found = register([FINE, shifted])
    pair = found.pair(1, 0)
    assert pair is not None
    assert not pair.same_grid
    assert found.map(HBB(10, 10, 20, 20), 0, 1) == HBB(9.5, 10, 19.5, 20)


def test_boxes_and_points_by_hand() -> None:
    found = register([FINE, COARSE])
    assert found.map_points([(30, 30), (60, 45)], 0, 1).tolist() == [[0, 0], [10, 5]]
    assert found.map(HBB(60, 45, 90, 60), 0, 1) == HBB(10, 5, 20, 10)
    assert found.map(HBB(10, 5, 20, 10), 1, 0) == HBB(60, 45, 90, 60)
    assert found.map(HBB(0, 0, 60, 60), 0, 1) == HBB(0, 0, 10, 10)  # cut
    assert found.map(HBB(0, 0, 30, 30), 0, 1) is None
    assert found.map(HBB(1, 2, 3, 4), 1, 1) == HBB(1, 2, 3, 4)


def test_oriented_boxes_and_polygons_keep_their_corners() -> None:
    found = register([FINE, COARSE])
    corners = ((60.0, 30.0), (90.0, 60.0), (60.0, 90.0), (30.0, 60.0))
    moved = ((10.0, 0.0), (20.0, 10.0), (10.0, 20.0), (0.0, 10.0))
    assert found.map(OBB(corners), 0, 1) == OBB(moved)
    hole = ((60.0, 45.0), (75.0, 60.0), (60.0, 75.0))
    mapped = found.map(Polygon(corners, (hole,)), 0, 1)
    assert mapped == Polygon(moved, (((10.0, 5.0), (15.0, 10.0), (10.0, 15.0)),))
    left = ((0.0, 30.0), (45.0, 60.0), (0.0, 90.0))
    beyond = found.map(Polygon(left), 0, 1)
    assert beyond == Polygon(((-10.0, 0.0), (5.0, 10.0), (-10.0, 20.0)))
    assert found.map(OBB.from_center(10, 10, 8, 4, 30), 0, 1) is None


def test_masks_are_sampled() -> None:
    found = register([FINE, COARSE])
    pattern = np.array([[1, 0], [1, 1]], dtype=bool)
    finer = found.map(Mask.from_array(pattern, 4, 6), 1, 0)
    assert isinstance(finer, Mask)
    assert finer.window == HBB(42, 48, 48, 54)
    assert np.array_equal(finer.to_array(), np.kron(pattern, np.ones((3, 3))) > 0)
    coarser = found.map(finer, 0, 1)
    assert isinstance(coarser, Mask)
    assert coarser.window == HBB(4, 6, 6, 8)
    assert np.array_equal(coarser.to_array(), pattern)


def test_what_is_smaller_than_a_pixel_keeps_one() -> None:
    found = register([FINE, COARSE])
    speck = Mask.from_array(np.ones((1, 1), dtype=bool), 60, 45)  # not in the middle
    kept = found.map(speck, 0, 1)
    assert isinstance(kept, Mask)
    assert (kept.area, kept.hbb) == (1, HBB(10, 5, 11, 6))
    outside = Mask.from_array(np.ones((2, 2), dtype=bool), 5, 5)
    assert found.map(outside, 0, 1) is None


def test_a_mask_in_parts_equals_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    found = register([FINE, DEGREES])
    pixels = np.random.default_rng(0).random((40, 50)) < 0.5
    mask = Mask.from_array(pixels, 120, 100)
    whole = found.map(mask, 0, 1)
    monkeypatch.setattr(registration, "BLOCK", 500)
    assert found.map(mask, 0, 1) == whole
    monkeypatch.setattr(registration, "LARGEST", 500)
    with pytest.raises(SettingsError, match=r"of image 2, .* Ask for polygons instead"):
        found.map(mask, 0, 1)


def test_masks_in_another_crs_lie_where_their_pixels_do() -> None:
    found = register([FINE, DEGREES])
    mask = Mask.from_array(np.ones((30, 40), dtype=bool), 120, 100)
    mapped = found.map(mask, 0, 1)
    box = found.map(mask.hbb, 0, 1)
    assert isinstance(mapped, Mask)
    assert isinstance(box, HBB)
    assert mapped.hbb.iou(box) > 0.95
    y, x = np.nonzero(mapped.to_array())
    points = np.stack([x, y], 1) + 0.5 + (mapped.window.x0, mapped.window.y0)
    back = found.map_points(points, 1, 0)
    assert (back >= (119.95, 99.95)).all()
    assert (back <= (160.05, 130.05)).all()
    place = DEGREES.georeference, FINE.georeference
    assert place[0] is not None
    assert place[1] is not None
    assert place[0].area_m2(mapped) == pytest.approx(place[1].area_m2(mask), rel=0.02)


def test_positions_are_those_of_pixel_middles() -> None:
    found = register([FINE, COARSE])
    at = found.positions(1, HBB(0, 0, 4, 2), 2, 1, 0)
    assert at.tolist() == [[[33, 33], [39, 33]]]


def test_share_and_facts() -> None:
    quarter = grid(32611, 10, 0, 501500, 0, -10, 3998500, width=300, height=300)
    found = register([FINE, quarter])
    pair = found.pair(0, 1)
    assert pair is not None
    assert pair.share == pytest.approx(0.25, rel=1e-3)
    assert found.facts[0] == (
        "Images 1 and 2 overlap by 25 % of the smaller one; their pixels measure 10 m "
        "and 10 m on the ground."
    )
    here, there = found.overlap(0, 1), found.overlap(1, 0)
    assert here is not None
    assert there is not None
    assert here.hbb == HBB(150, 150, 300, 300)
    assert there.hbb == HBB(0, 0, 150, 150)
    text = register([FINE, DEGREES]).facts[0]
    assert text.endswith("EPSG:32611 was mapped to EPSG:4326.")


def test_much_coarser_pixels_are_worth_a_warning() -> None:
    wide = grid(32611, 60, 0, 500000, 0, -60, 4000000, width=50, height=50)
    wanted = (
        "A pixel of image 2 (60 m) is 6 times as wide as one of image 1: small "
        "objects of image 1 cannot be made out in image 2."
    )
    assert register([FINE, wide]).warnings == (wanted,)
    (other,) = register([wide, FINE]).warnings
    assert other.startswith("A pixel of image 1 (60 m) is 6 times as wide as one of")
    assert register([FINE, COARSE]).warnings == ()


def test_images_apart_are_refused_with_the_distance() -> None:
    here, there = (
        grid(4326, 0.01, 0, lon, 0, -0.01, 0.5, name=name)
        for lon, name in ((10.0, "a.tif"), (12.0, "b.tif"))
    )
    with pytest.raises(SettingsError) as error:
        register([FINE, FINE]) and register([here, there])
    assert str(error.value) == (
        "Images 1 (a.tif) and 2 (b.tif) do not overlap: they lie 111 km apart (lon "
        "10.000 to 11.000, lat -0.300 to 0.500; lon 12.000 to 13.000, lat -0.300 to "
        "0.500). Give images of one place."
    )
    beside = grid(32611, 10, 0, 503500, 0, -10, 4000000)
    with pytest.raises(SettingsError, match="they lie 500 m apart"):
        register([FINE, beside])


def test_images_without_a_place() -> None:
    found = register([NOWHERE, NOWHERE])
    assert found.map(HBB(1, 2, 3, 4), 0, 1) == HBB(1, 2, 3, 4)
    assert "all have 300 x 300 pixels" in found.warnings[0]
    pair = found.pair(0, 1)
    assert pair is not None
    assert pair.same_grid
    unlike = register([NOWHERE, Grid("", 30, 30)])
    assert unlike.pair(0, 1) is None
    assert unlike.map(HBB(1, 2, 3, 4), 0, 1) is None
    assert unlike.overlap(0, 1) is None
    assert "(300 x 300, 30 x 30)" in unlike.warnings[0]


def test_one_without_a_place_among_others() -> None:
    found = register([FINE, NOWHERE, COARSE])
    assert found.pair(0, 1) is None
    assert found.pair(2, 0) is not None
    assert np.isnan(found.map_points([(1, 1)], 0, 1)).all()
    (warning,) = found.warnings
    assert warning.startswith("Image 2 does not say where on the Earth it lies")


def test_a_single_image_needs_no_words() -> None:
    for alone in (FINE, NOWHERE):
        found = register([alone])
        assert (found.facts, found.warnings) == ((), ())
        assert found.map(HBB(1, 2, 3, 4), 0, 0) == HBB(1, 2, 3, 4)


@settings(deadline=None)
@given(
    st.floats(0, 250), st.floats(0, 250), st.floats(5, 50), st.floats(5, 50),
    st.floats(-90, 90),
)  # fmt: skip
def test_oriented_boxes_come_back(
    x: float, y: float, width: float, height: float, angle: float
) -> None:
    found = TO_DEGREES
    box = OBB.from_center(x, y, width, height, angle)
    there = found.map(box, 0, 1)
    if there is None:
        return
    back = found.map_points(there.corners, 1, 0)
    # The order may start at another corner where the grid is mirrored; not here.
    assert np.abs(back - np.array(box.corners)).max() < 0.01


def test_real_pairs(data_folder: Path) -> None:
    scenes = data_folder / "scenes"
    with (
        Raster.open(scenes / "la_s2.tif") as s2,
        Raster.open(scenes / "la_s1.tif") as s1,
    ):
        pair = register([s2, s1]).pair(0, 1)
        assert pair is not None
        assert pair.same_grid
        with Raster.open(scenes / "naip_20090818.tif") as naip:
            with pytest.raises(SettingsError, match=r"they lie 2,1\d\d km apart"):
                register([s2, naip])
            # The grids of 2009 and 2014 begin 2 m apart: 0.4 pixels of 5 m.
            with Raster.open(scenes / "naip_20140720.tif") as later:
                found = register([naip, later])
    assert found.map(HBB(0, 100, 50, 200), 0, 1) == HBB(0, 99.6, 50, 199.6)
