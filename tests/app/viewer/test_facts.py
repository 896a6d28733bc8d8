"""The control grid is accurate enough: the page interpolates it as here."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.app.viewer.facts import grid
from rsvlm.georeference import GeoReference


def interpolated(
    found: dict[str, Any], size: tuple[int, int], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Do what ground.js does: cubics through four points along each axis."""
    n = found["nodes"]
    tables = [np.reshape(found[name], (n, n)).astype(float) for name in ("lon", "lat")]
    out = []
    for point in points:
        at = point / size * (n - 1)
        first = np.clip(np.floor(at) - 1, 0, n - 4).astype(int)
        wx, wy = (
            np.array(
                [
                    np.prod([(t - j) / (i - j) for j in range(4) if j != i])
                    for i in range(4)
                ]
            )
            for t in at - first
        )
        x, y = first
        out.append([wy @ table[y : y + 4, x : x + 4] @ wx for table in tables])
    return np.array(out)


@pytest.mark.parametrize(
    ("crs", "transform", "size", "metres"),
    [
        # A Sentinel-2 tile in UTM; a hundredth of its pixel.
        (32611, (10, 0, 399_960, 0, -10, 3_800_040), (10_980, 10_980), 0.1),
        # Half of a continent in Mercator, 500 m a pixel.
        (3857, (500, 0, -5_000_000, 0, -500, 5_000_000), (8_000, 12_000), 50),
        # Across the antimeridian, in degrees.
        (4326, (0.001, 0, 178, 0, -0.001, -15), (4_000, 3_000), 0.01),
        # Polar stereographic, turned by 30 degrees.
        (3031, (86.6, 50, 1_000_000, 50, -86.6, 1_000_000), (3_000, 3_000), 1),
    ],
)
def test_between_the_points_of_the_grid(
    crs: int, transform: tuple[float, ...], size: tuple[int, int], metres: float
) -> None:
    from pyproj import CRS, Geod

    place = GeoReference.create(CRS.from_epsg(crs).to_wkt(), transform)
    assert place
    points = np.random.default_rng(0).uniform((0, 0), size, (200, 2))
    found = grid(place, *size)
    guess = interpolated(found, size, points)
    true = place.lonlat(points)
    assert np.ptp(found["lon"]) < 180  # no jump inside the image
    off = Geod(ellps="WGS84").inv(*guess.T, *true.T)[2]
    assert off.max() < metres


def test_points_off_the_map_are_none() -> None:
    from pyproj import CRS

    wkt = CRS.from_proj4("+proj=ortho +lat_0=0 +lon_0=0").to_wkt()
    place = GeoReference.create(wkt, (10_000, 0, 0, 0, -10_000, 0))
    assert place
    found = grid(place, 2_000, 2_000)  # its corner looks into space
    assert found["lon"][0] == pytest.approx(0, abs=1e-6)
    assert found["lon"][-1] is None
