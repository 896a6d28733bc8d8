"""Place questions: where a georeferenced scene lies and how large things in it are.

Multiple choice about the country, the nearest of several places, the coordinates of the
centre, the ground size of a pixel and the width of the scene. The right answers follow
from the georeference of each file (a Mercator pixel of nominal 10 m is 8.3 m on the
ground); only the names of places come from a table.

Used are the scenes of this project's data and the test tiles of San Antonio, which are
written as GeoTIFFs with their own grid.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from rsvlm.errors import ImageError, ParseError
from rsvlm.eval.convert.asked import asked
from rsvlm.eval.convert.optical_sar import LICENCE as TILE_LICENCE
from rsvlm.eval.convert.optical_sar import read_tiles
from rsvlm.eval.convert.options import LETTERS
from rsvlm.eval.convert.vhr10 import folder_of
from rsvlm.formats.tars import read_tar
from rsvlm.samples import ImageRef, Sample

NAME = "place-questions"
#: Options of a question.
CHOICES = 4


@dataclass(frozen=True)
class Place:
    """What is known about a scene beside its file."""

    country: str
    near: str
    licence: str


_COPERNICUS = TILE_LICENCE
_USGS = "US public domain (pixels); MIT (files, github opengeos/data)"
#: Beginning of a file's name -> place. The longest beginning counts.
PLACES: dict[str, Place] = {
    "la_": Place("United States", "Los Angeles, California", _COPERNICUS),
    "naip_": Place("United States", "Jamestown, North Dakota", _USGS),
    "landsat_pucallpa": Place("Peru", "Pucallpa, Ucayali", _USGS),
    "landsat7_olinda": Place(
        "Brazil", "Recife, Pernambuco", "US public domain (pixels); Apache-2.0 (file)"
    ),
    "neon_osbs": Place(
        "United States",
        "Gainesville, Florida",
        "NEON airborne data; MIT (file, package deepforest)",
    ),
    "sen1floods11_Spain": Place(
        "Spain", "Murcia, Region of Murcia", "Copernicus Sentinel data; research only"
    ),
    "san_antonio": Place("United States", "San Antonio, Texas", _COPERNICUS),
}
_COUNTRIES = (
    "United States", "Peru", "Brazil", "Spain", "Australia", "India", "Kenya", "Japan",
    "Germany", "South Africa", "Canada", "Indonesia",
)  # fmt: skip
#: Files that hold labels instead of an image.
_LABELS = "_label"
_SIZE_FACTORS = (1 / 25, 1 / 5, 5, 25)


@dataclass(frozen=True)
class Scene:
    """A georeferenced image, measured.

    Attributes:
        ref: The image, with its path in the built folder.
        place: What the table knows.
        lon: Longitude of the centre, degrees.
        lat: Latitude of the centre, degrees.
        width_km: From the western to the eastern edge, through the centre.
    """

    ref: ImageRef
    place: Place
    lon: float
    lat: float
    width_km: float


def convert(root: Path) -> Iterator[Sample]:
    """Yield the questions; their type is what is asked for.

    Args:
        root: Folder that holds ``scenes`` and, if the tiles are wanted, ``optical_sar``.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    for scene in _scenes(root):
        for kind, question, right, wrong in _questions(scene):
            yield _sample(scene, kind, question, right, wrong)


def pictures(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every scene; tiles become GeoTIFFs."""
    from rsvlm.eval.convert.rasters import as_tiff, decoded

    for path in _files(root):
        yield _path(path.name), path.read_bytes()
    tiles = {f"{tile.name}.webp": tile for tile in _tiles(root)}
    if tiles:
        tar = folder_of(root, "optical_sar") / "optical_test.tar"
        for name, data in read_tar(tar, tiles):
            tile = tiles[name]
            pixels = decoded(data, name)[:3]
            tiff = as_tiff(pixels, epsg=tile.epsg, transform=tile.transform)
            yield _path(f"san_antonio_{tile.name}.tif"), tiff


def _path(name: str) -> str:
    return f"images/places/{name}"


def _files(root: Path) -> list[Path]:
    folder = folder_of(root, "scenes")
    paths = [path for path in sorted(folder.glob("*.tif")) if _LABELS not in path.stem]
    if not paths:
        raise ParseError(
            f"There is no .tif in {str(folder)!r}. "
            "Name the folder that holds the folder 'scenes' with --root."
        )
    return [path for path in paths if _place_of(path.name) is not None]


def _tiles(root: Path) -> list[Any]:
    if not (root / "optical_sar" / "tiles.json").is_file():
        return []
    return [tile for tile in read_tiles(root) if tile.region == "san_antonio"]


def _place_of(name: str) -> Place | None:
    known = [start for start in PLACES if name.startswith(start)]
    return PLACES[max(known, key=len)] if known else None


def _scenes(root: Path) -> Iterator[Scene]:
    from pyproj import CRS

    from rsvlm.georeference import GeoReference
    from rsvlm.raster import Raster

    for path in _files(root):
        place = _place_of(path.name)
        try:
            with Raster.open(path) as raster:
                reference = raster.georeference
                sensor: Any = raster.sensor
                size = (raster.width, raster.height)
        except ImageError as error:
            raise ParseError(f"{error}") from None
        if reference is not None and place is not None:
            yield _scene(reference, _path(path.name), size, sensor, place)
    for tile in _tiles(root):
        reference = GeoReference.create(
            CRS.from_epsg(tile.epsg).to_wkt(), tile.transform
        )
        if reference is None:
            raise ParseError(
                f"tiles.json, {tile.name}: the grid leads nowhere. Fetch it again."
            )
        path_in = _path(f"san_antonio_{tile.name}.tif")
        place = PLACES["san_antonio"]
        yield _scene(reference, path_in, (tile.width, tile.height), "optical", place)


def _scene(
    reference: Any,
    path: str,
    size: tuple[int, int],
    sensor: Literal["optical", "sar", "multispectral"],
    place: Place,
) -> Scene:
    width, height = size
    lon, lat = reference.lonlat([(width / 2, height / 2)])[0]
    across = reference.distance_m((0, height / 2), (width, height / 2))
    return Scene(
        ref=ImageRef(
            path=path,
            width=width,
            height=height,
            sensor=sensor,
            gsd_m=round(reference.gsd_m(width, height), 4),
        ),
        place=place,
        lon=float(lon),
        lat=float(lat),
        width_km=across / 1000,
    )


def _questions(scene: Scene) -> Iterator[tuple[str, str, str, list[str]]]:
    """Yield kind, question, right option and wrong options."""
    rng = Random(f"{NAME}/{scene.ref.path}")
    country = scene.place.country
    yield (
        "country",
        "In which country does the scene lie?",
        country,
        rng.sample([name for name in _COUNTRIES if name != country], CHOICES - 1),
    )
    near = scene.place.near
    others = sorted({place.near for place in PLACES.values()} - {near})
    yield (
        "place",
        "Which of these places is nearest to the scene?",
        near,
        rng.sample(others, CHOICES - 1),
    )
    lon, lat = scene.lon, scene.lat
    wrong = [(-lon, lat), (lon, -lat), (-lon, -lat), (lat, lon / 2), (lon / 2, lat)]
    yield (
        "centre",
        "At which latitude and longitude (WGS 84) does the centre of the image lie?",
        degrees(lon, lat),
        [degrees(*pair) for pair in rng.sample(wrong, CHOICES - 1)],
    )
    gsd = scene.ref.gsd_m or 0.0
    yield (
        "pixel size",
        "About what length on the ground does the side of one pixel cover?",
        metres(gsd),
        [metres(gsd * factor) for factor in rng.sample(_SIZE_FACTORS, CHOICES - 1)],
    )
    wide = scene.width_km * 1000
    yield (
        "width",
        "About how wide is the scene on the ground, from west to east?",
        metres(wide),
        [metres(wide * factor) for factor in rng.sample(_SIZE_FACTORS, CHOICES - 1)],
    )


def degrees(lon: float, lat: float) -> str:
    """Return a place in words.

    >>> degrees(-118.2024, 33.9)
    '33.90 N, 118.20 W'
    """
    return (
        f"{abs(lat):.2f} {'N' if lat >= 0 else 'S'}, "
        f"{abs(lon):.2f} {'E' if lon >= 0 else 'W'}"
    )


def metres(length: float) -> str:
    """Return a length with two significant digits.

    >>> metres(8.309), metres(25524.0), metres(0.02)
    ('8.3 m', '26 km', '2 cm')
    """
    for unit, size in (("km", 1000.0), ("m", 1.0), ("cm", 0.01)):
        if length >= size or unit == "cm":
            value = length / size
            digits = max(0, 1 - math.floor(math.log10(value))) if value > 0 else 0
            text = f"{round(value, 1 - math.floor(math.log10(value))):.{digits}f}"
            return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"
    raise AssertionError("the last unit takes every length")


def _sample(
    scene: Scene, kind: str, question: str, right: str, wrong: Sequence[str]
) -> Sample:
    options = [right, *wrong]
    Random(f"{NAME}/{scene.ref.path}/{kind}").shuffle(options)
    stem = Path(scene.ref.path).stem
    return Sample(
        id=f"{NAME}/{stem}/{kind.replace(' ', '-')}",
        images=(scene.ref,),
        task="vqa",
        conversation=asked(question),
        answers=(LETTERS[options.index(right)],),
        options=tuple(options),
        type=kind,
        source=NAME,
        licence=scene.place.licence,
        split="test",
        meta={"lon": round(scene.lon, 6), "lat": round(scene.lat, 6)},
    )
