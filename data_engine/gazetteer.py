"""What stands at a place: harbours and airports near a rectangle of lon/lat.

Airports come from an asset (28,000 positions); of them only those with an IATA code are
large enough to be seen at 10 m. Harbours are a table, because the list of ports at hand
is no wheel; it needs to know the two of the tiles that the project has.

Source:
    airportsdata (MIT); UN/LOCODE positions of USLAX and USLGB by way of searoute
    (Apache-2.0).
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import cos, hypot, radians

from rsvlm import assets
from rsvlm.errors import ParseError

#: Longitude and latitude, degrees.
LonLat = tuple[float, float]

#: Harbours: Los Angeles, Long Beach.
HARBOURS: tuple[LonLat, ...] = ((-118.283333, 33.716667), (-118.193323, 33.73858))
#: The basins and quays of such a port lie within so many metres of its position.
HARBOUR_M = 3000.0
#: A harbour shows water and quays: their least shares of the ground.
HARBOUR_WATER, HARBOUR_BUILT_UP = 0.08, 0.20
#: An airport shows when its centre is so near; farther off it is often cut away.
AIRPORT_M = 150.0
#: Metres of a degree of latitude, good to 1 % everywhere.
DEGREE_M = 111_200.0


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in degrees."""

    west: float
    south: float
    east: float
    north: float

    def distance_m(self, point: LonLat) -> float:
        """Return the distance of a point nearby, 0 inside.

        >>> round(Box(10, 0, 11, 1).distance_m((10.5, 1.01)))
        1112
        """
        lon, lat = point
        across = max(self.west - lon, 0.0, lon - self.east) * cos(radians(lat))
        return hypot(across, max(self.south - lat, 0.0, lat - self.north)) * DEGREE_M


def places(box: Box, cover: Mapping[str, float]) -> tuple[str, ...]:
    """Return what is in a rectangle or beside it, "harbour" and "airport".

    Args:
        box: The rectangle.
        cover: Land-cover class -> share; a harbour without water or quays is none.

    Raises:
        AssetError: If the list of airports cannot be had.
    """
    quays = cover.get("built-up land", 0.0) >= HARBOUR_BUILT_UP
    quays &= cover.get("water", 0.0) >= HARBOUR_WATER
    found = []
    if quays and any(box.distance_m(point) <= HARBOUR_M for point in HARBOURS):
        found.append("harbour")
    if any(box.distance_m(point) <= AIRPORT_M for point in airports()):
        found.append("airport")
    return tuple(found)


@lru_cache(maxsize=1)
def airports() -> tuple[LonLat, ...]:
    """Return the positions of the airports that have an IATA code.

    Raises:
        AssetError: If the list cannot be had.
        ParseError: If it has another form.
    """
    path = assets.fetch("airports") / assets.get("airports").main
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return tuple(
                (float(row["lon"]), float(row["lat"]))
                for row in csv.DictReader(file)
                if row["iata"]
            )
    except (KeyError, ValueError) as error:
        raise ParseError(
            f"{path.name} lacks or garbles {error}. Run: rsvlm assets verify airports."
        ) from None
