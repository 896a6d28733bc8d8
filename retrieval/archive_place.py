"""Where to search: a rectangle, a point with a distance, or the ground of an image."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsvlm.errors import SettingsError
from rsvlm.raster import Raster
from rsvlm.retrieval.footprint import Footprint

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: What "near a point" means where no distance is given, km.
NEAR_KM = 25.0

_HELP = (
    "Give WEST,SOUTH,EAST,NORTH or LON,LAT or LON,LAT,KM in degrees, or a raster that "
    "has a place."
)


@dataclass(frozen=True)
class Place:
    """Ground on which tiles are wanted.

    Attributes:
        footprint: The ground.
        km: Distance from it that still counts.
    """

    footprint: Footprint
    km: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Read a place as it is given on the command line.

        Raises:
            SettingsError: If it is none.
        """
        try:
            numbers = [float(part) for part in text.split(",")]
        except ValueError:
            return cls._of_raster(text)
        if len(numbers) == 4:
            return cls.box(*numbers)
        if len(numbers) not in (2, 3) or not _on_earth(*numbers[:2]):
            raise SettingsError(f"{text!r} is no place. {_HELP}")
        km = numbers[2] if len(numbers) == 3 else NEAR_KM
        if not 0 <= km <= 20_000:
            raise SettingsError(f"{km:g} km is no distance on the Earth. {_HELP}")
        return cls(Footprint.at(*numbers[:2]), km)

    @classmethod
    def box(cls, west: float, south: float, east: float, north: float) -> "Place":
        """Return a rectangle; west is greater than east across the antimeridian.

        Raises:
            SettingsError: If it is none.
        """
        import shapely

        good = _on_earth(west, south) and _on_earth(east, north) and south <= north
        if not good:
            raise SettingsError(
                f"[{west:g}, {south:g}, {east:g}, {north:g}] is no rectangle of degrees. "
                + _HELP
            )
        spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        shape = shapely.union_all([shapely.box(w, south, e, north) for w, e in spans])
        middle = shape.representative_point()
        return cls(Footprint(shape, middle.x, middle.y))

    @classmethod
    def _of_raster(cls, name: str) -> "Place":
        if not Path(name).is_file():
            raise SettingsError(f"{name!r} is no place. {_HELP}")
        with Raster.open(name) as raster:
            ground = Footprint.of([raster])
        if ground is None:
            raise SettingsError(f"{name!r} does not say where it lies. {_HELP}")
        return cls(ground)

    def boxes(self) -> list[tuple[float, float, float, float]]:
        """Return [west, south, east, north] around all that counts, degrees."""
        return self.footprint.boxes(self.km)

    def meets(self, geometry: dict[str, Any]) -> bool:
        """Say whether a GeoJSON geometry lies there, in part at least."""
        from shapely.geometry import shape

        ground: BaseGeometry = shape(geometry)
        if self.km:
            return self.footprint.distance_km(ground) <= self.km
        return bool(self.footprint.shape.intersects(ground))


def _on_earth(lon: float, lat: float) -> bool:
    return -180 <= lon <= 180 and -90 <= lat <= 90
