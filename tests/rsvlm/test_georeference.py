import math
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from shapely.geometry import shape as to_shape

from rsvlm.geometry import HBB, OBB, Mask, Polygon
from rsvlm.georeference import GeoReference

LOCAL = 'LOCAL_CS["site plan",UNIT["metre",1]]'
ENGINEERING = (
    'ENGCRS["site",EDATUM["stake"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],'
    'LENGTHUNIT["metre",1]]'
)
MOON = (
    'GEOGCS["GCS_Moon",DATUM["D_Moon",SPHEROID["Moon_2000",1737400,0]],'
    'PRIMEM["Reference_Meridian",0],UNIT["Degree",0.0174532925199433]]'
)


def place(code: int, *transform: float) -> GeoReference:
    found = GeoReference.create(CRS.from_epsg(code).to_wkt(), transform)
    assert found is not None
    return found


def check_rfc_7946(geometry: dict[str, Any]) -> None:
    """Fail unless rings are closed, wound right, in range and have 7 decimals."""
    polygons = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        polygons = [polygons]
    for rings in polygons:
        for index, ring in enumerate(rings):
            assert len(ring) >= 4
            assert ring[0] == ring[-1]
            assert shapely.LinearRing(ring).is_ccw == (index == 0)
            for lon, lat in ring:
                assert -180 <= lon <= 180
                assert -90 <= lat <= 90
                assert (lon, lat) == (round(lon, 7), round(lat, 7))


#: One degree of longitude on the equator, in metres.
DEGREE = 6378137 * math.pi / 180
EQUATOR = place(4326, 0.01, 0, 10, 0, -0.01, 1)  # 200 x 200 px: 10..12 E, 1 S..1 N
#: Los Angeles, as in the Sentinel scenes: nominal 10 m pixels of World Mercator.
MERCATOR = place(3395, 10, 0, -13173500, 0, -10, 4017420)
NORTH_POLE = place(3413, 1000, 0, -1000000, 0, -1000, 1000000)


def test_pixels_become_degrees() -> None:
    assert EQUATOR.crs_name == "EPSG:4326"
    assert EQUATOR.lonlat([(0, 0), (200, 100)]).tolist() == [[10, 1], [12, 0]]
    assert EQUATOR.bounds_lonlat(200, 200) == [10, -1, 12, 1]


def test_distance_on_the_equator() -> None:
    assert EQUATOR.distance_m((0, 100), (100, 100)) == pytest.approx(DEGREE)


def test_size_of_a_mercator_pixel_is_that_on_the_ground() -> None:
    assert MERCATOR.crs_name == "EPSG:3395"
    lat = math.radians(MERCATOR.lonlat([(1536, 2560)])[0, 1])
    eccentricity = 0.0818191908426  # of WGS 84
    # Mercator stretches by 1 / k, in both directions.
    k = math.cos(lat) / math.sqrt(1 - (eccentricity * math.sin(lat)) ** 2)
    gsd = MERCATOR.gsd_m(3072, 5120)
    assert gsd == pytest.approx(10 * k, rel=1e-5)
    assert gsd == pytest.approx(8.31, abs=0.005)
    pixels = HBB(1486, 2510, 1586, 2610)  # 100 x 100 around the centre
    assert MERCATOR.area_m2(pixels) == pytest.approx(1e4 * (10 * k) ** 2, rel=1e-4)


def test_size_of_a_pixel_in_degrees() -> None:
    # At 60 N a degree of longitude is half as long: 0.01 degree pixels.
    north = place(4326, 0.01, 0, 10, 0, -0.01, 60.5)
    gsd = north.gsd_m(100, 100)
    across, along = 0.01 * 55800.0, 0.01 * 111412.0  # metres, tables of WGS 84
    assert gsd == pytest.approx(math.sqrt(across * along), rel=1e-4)
    assert north.area_m2(HBB(40, 40, 60, 60)) == pytest.approx(
        400 * across * along, rel=1e-3
    )


def test_the_whole_earth_has_its_area() -> None:
    for west in (-180, 0):
        earth = place(4326, 1, 0, west, 0, -1, 90)
        everything = HBB(0, 0, 360, 180)
        assert earth.area_m2(everything) == pytest.approx(5.10065622e14, rel=1e-8)
        assert earth.bounds_lonlat(360, 180) == [-180, -90, 180, 90]
        geometry = earth.geometry(everything)
        assert geometry is not None
        check_rfc_7946(geometry)
        assert to_shape(geometry).area == 360 * 180


def test_area_along_parallels_is_exact() -> None:
    # The upper edge follows the parallel, which is no shortest way on the ground.
    north = place(4326, 0.1, 0, 10, 0, -0.1, 60)
    narrow, wide = (north.area_m2(HBB(0, 0, x, 10)) for x in (1, 200))
    assert narrow is not None
    assert wide == pytest.approx(200 * narrow, rel=1e-7)


def test_every_kind_of_one_rectangle_has_one_area() -> None:
    box = HBB(100, 200, 140, 220)
    expected = MERCATOR.area_m2(box)
    assert expected == pytest.approx(800 * 69, rel=0.01)
    pixels = np.ones((20, 40), dtype=bool)
    for same in (
        OBB(box.corners),
        Polygon(box.corners),
        Mask.from_array(pixels, 100, 200),
    ):
        assert MERCATOR.area_m2(same) == pytest.approx(expected)


def test_holes_are_left_out_of_the_area() -> None:
    outer, inner = HBB(0, 0, 100, 100), HBB(20, 20, 60, 60)
    ring = Polygon(outer.corners, (inner.corners,))
    areas = [MERCATOR.area_m2(shape) for shape in (outer, inner, ring)]
    assert None not in areas
    whole, hole, rest = (area or 0.0 for area in areas)
    assert rest == pytest.approx(whole - hole)


@pytest.mark.parametrize(
    "transform",
    [
        (0.01, 0, 10, 0, -0.01, 1),  # north up
        (0.01, 0, 10, 0, 0.01, -1),  # south up
        (-0.01, 0, 12, 0, -0.01, 1),  # mirrored
        (0, 0.01, 10, 0.01, 0, -1),  # axes exchanged
        (0.006, 0.008, 10, 0.008, -0.006, 0),  # rotated
    ],
)
def test_outer_rings_are_counter_clockwise_under_any_transform(
    transform: tuple[float, ...],
) -> None:
    place_ = place(4326, *transform)
    hole = HBB(20, 20, 30, 30).corners
    polygon = Polygon(HBB(10, 10, 60, 40).corners, (hole,))
    geometry = place_.geometry(polygon)
    assert geometry is not None
    assert geometry["type"] == "Polygon"
    assert len(geometry["coordinates"]) == 2
    check_rfc_7946(geometry)
    assert to_shape(geometry).area == pytest.approx((1500 - 100) * 1e-4)
    gsd = place_.gsd_m(100, 100)
    assert gsd == pytest.approx(0.01 * 110946, rel=2e-3)  # mean of 111320 and 110574


def test_rotated_pixels_lie_where_the_transform_says() -> None:
    rotated = place(4326, 0.006, 0.008, 10, 0.008, -0.006, 0)
    # (10, 5): lon 10 + 0.06 + 0.04, lat 0.08 - 0.03
    assert rotated.lonlat([(10, 5)])[0] == pytest.approx([10.1, 0.05])


def test_small_box_keeps_its_four_corners() -> None:
    geometry = EQUATOR.geometry(HBB(0, 0, 10, 20))
    assert geometry == {
        "type": "Polygon",
        "coordinates": [
            [[10.0, 1.0], [10.0, 0.8], [10.1, 0.8], [10.1, 1.0], [10.0, 1.0]]
        ],
    }


def test_shape_across_the_antimeridian_is_split() -> None:
    fiji = place(4326, 0.1, 0, 175, 0, -0.1, -15)  # 175 E .. 175 W
    geometry = fiji.geometry(HBB(40, 0, 70, 10))  # 179 E .. 178 W
    assert geometry is not None
    assert geometry["type"] == "MultiPolygon"
    check_rfc_7946(geometry)
    spans = sorted(to_shape(geometry).geoms, key=lambda part: part.bounds)
    assert [part.bounds for part in spans] == [
        pytest.approx((-180, -16, -178, -15)),
        pytest.approx((179, -16, 180, -15)),
    ]
    assert fiji.bounds_lonlat(100, 10) == pytest.approx([175, -16, -175, -15])


def test_projected_raster_across_the_antimeridian() -> None:
    # UTM zone 60 ends at 180 E; its coordinates go on beyond.
    utm = place(32660, 1000, 0, 700000, 0, -1000, 2000000)
    whole = HBB(0, 0, 300, 100)
    geometry = utm.geometry(whole)
    assert geometry is not None
    assert geometry["type"] == "MultiPolygon"
    check_rfc_7946(geometry)
    west, _, east, _ = utm.bounds_lonlat(300, 100) or []
    assert 178 < west < 180
    assert -179 < east < -177
    # The grid scale at 200 to 500 km from the meridian is up to 1.0027.
    assert utm.area_m2(whole) == pytest.approx(300 * 100 * 1e6, rel=5e-3)


def test_shape_around_the_pole_reaches_it() -> None:
    box = HBB(900, 900, 1100, 1100)  # 200 km around the north pole
    geometry = NORTH_POLE.geometry(box)
    assert geometry is not None
    check_rfc_7946(geometry)
    assert to_shape(geometry).bounds[3] == 90
    # The scale at the pole of EPSG:3413 (true at 70 N) is 0.9698.
    area = NORTH_POLE.area_m2(box)
    assert area == pytest.approx(4e10 / 0.9698**2, rel=1e-3)
    hole = HBB(950, 950, 1050, 1050)
    ring = Polygon(box.corners, (hole.corners,))
    assert NORTH_POLE.area_m2(ring) == pytest.approx(4e10 / 0.9698**2 * 3 / 4, rel=1e-3)


def test_curved_edges_get_vertices() -> None:
    # The edge of a polar raster is far from straight in lon/lat.
    box = HBB(1200, 1200, 1800, 1800)
    geometry = NORTH_POLE.geometry(box)
    assert geometry is not None
    (ring,) = geometry["coordinates"]
    assert len(ring) > 20
    true = NORTH_POLE.lonlat([(1500, 1200)])[0]
    assert shapely.LineString(ring).distance(shapely.Point(true)) < 0.01


def test_points_outside_the_domain_have_no_place() -> None:
    # An orthographic picture shows half of the Earth; its corners show space.
    disk = GeoReference.create(
        CRS.from_proj4("+proj=ortho +lat_0=0 +lon_0=0 +ellps=WGS84").to_wkt(),
        (1e5, 0, -6.5e6, 0, -1e5, 6.5e6),
    )
    assert disk is not None
    assert np.isnan(disk.lonlat([(0, 0)])).all()
    corner = HBB(0, 0, 10, 10)
    assert disk.geometry(corner) is None
    assert disk.area_m2(corner) is None
    assert disk.bounds_lonlat(130, 130) is None
    assert math.isnan(disk.distance_m((0, 0), (65, 65)))
    assert disk.gsd_m(2, 2) is None
    assert disk.gsd_m(130, 130) == pytest.approx(1e5, rel=1e-3)


def test_shape_without_area() -> None:
    empty = Mask.from_array(np.zeros((4, 4), dtype=bool))
    for shape in (empty, HBB(5, 5, 5, 9)):
        assert EQUATOR.geometry(shape) is None
        assert EQUATOR.area_m2(shape) == 0


@pytest.mark.parametrize(
    "wkt",
    [
        "",
        "nonsense",
        LOCAL,
        ENGINEERING,
        MOON,
        CRS.from_epsg(4978).to_wkt(),  # geocentric
        CRS.from_epsg(5773).to_wkt(),  # heights
    ],
)
def test_crs_that_does_not_lead_to_the_earth(wkt: str) -> None:
    assert GeoReference.create(wkt, (1, 0, 0, 0, -1, 0)) is None


@pytest.mark.parametrize(
    "transform", [(0, 0, 0, 0, 0, 0), (1, 2, 0, 2, 4, 0), (math.nan, 0, 0, 0, 1, 0)]
)
def test_transform_that_cannot_place_pixels(transform: tuple[float, ...]) -> None:
    assert GeoReference.create(CRS.from_epsg(4326).to_wkt(), transform) is None


@settings(deadline=None)
@given(
    st.sampled_from([4326, 3395, 3857, 32633]),
    st.floats(0, 90),
    st.floats(0, 900),
    st.floats(0, 900),
    st.floats(1, 80),
    st.floats(1, 80),
)
def test_area_agrees_with_edges_on_the_ground(
    code: int, turn: float, x: float, y: float, w: float, h: float
) -> None:
    # Near 15 E 50 N, pixels of about 10 m.
    origins = {
        4326: (15.0, 50.0, 1e-4),
        3395: (1669792.0, 6413524.0, 10.0),
        3857: (1669792.0, 6446276.0, 10.0),
        32633: (500000.0, 5538630.0, 10.0),
    }
    east, north, size = origins[code]
    raster = place(code, size, 0, east, 0, -size, north)
    box = OBB.from_center(x, y, w, h, turn)
    geometry, area = raster.geometry(box), raster.area_m2(box)
    assert geometry is not None
    assert area is not None
    check_rfc_7946(geometry)
    cells = 20
    unit = raster.area_m2(HBB(x - cells, y - cells, x + cells, y + cells))
    assert unit is not None
    assert area == pytest.approx(w * h * unit / (2 * cells) ** 2, rel=1e-3)
    a, b, c, d = box.corners
    if code != 4326:  # conformal: right angles stay right
        sides = raster.distance_m(a, b) * raster.distance_m(b, c)
        assert area == pytest.approx(sides, rel=1e-3)
    assert raster.distance_m(a, c) == pytest.approx(raster.distance_m(c, a), rel=1e-9)
    assert d not in (a, b, c)
