"""Pairs of Sentinel-2 (RGB) and Sentinel-1 (VH) tiles of one grid, 1024 x 1024 pixels.

Upstream form: ``tiles.json`` beside ``{optical,sar}_{train,test}.tar`` of WebP files.
Every tile is yielded whole, byte for byte, as a pair with masks of what covers the
ground, and in 16 pieces a sensor with the shares of it. The cover comes from a rule on the optical picture, also
for the radar one, which shows the same ground three days (34 in San Antonio) later.

Splits: ``test`` is San Antonio; only the rule of the labels has looked at it. ``val``
are two blocks of four tiles of Los Angeles, hills and suburbs in the north-west and a
coastal city with its hills in the south-east; tiles of the training list touch them,
none overlaps them.

Source:
    github VolkovVl/Optical-SAR-dataset; Copernicus Sentinel data 2020, modified.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rsvlm.data_engine.gazetteer import Box, places
from rsvlm.data_engine.landcover import CELL, cover_map, masks, shares
from rsvlm.data_engine.records import Record, Split, missing, read_tar
from rsvlm.errors import ParseError
from rsvlm.formats.upstream import Fields, as_fields, entries, read_json, split_named

NAME = "optical_sar"
LICENCE = (
    "contains modified Copernicus Sentinel data 2020; upstream permits distribution and "
    "modification"
)
FILES = (
    "optical_test.tar",
    "optical_train.tar",
    "sar_test.tar",
    "sar_train.tar",
    "tiles.json",
)
#: Side of a piece, px.
PIECE = 256
#: Tiles of the training list that are kept for validation.
VAL = frozenset({"004", "018", "030", "031", "201", "202", "213", "214"})
#: What every sample of the cover says about its labels.
WEAK = {"labels": "weak: colour rule on the optical partner"}

_Sensor = Literal["optical", "sar"]
_SENSORS: tuple[_Sensor, _Sensor] = ("optical", "sar")


@dataclass(frozen=True, slots=True)
class Tile:
    """A pair as ``tiles.json`` describes it.

    Attributes:
        name: Stem of its files in the tars.
        part: Which tar holds it, ``train`` or ``test``.
        region: Where it lies.
        gsd_m: m/px on the ground; the nominal 10 m are Mercator metres.
        epsg: Code of its CRS.
        transform: Affine of its pixels to the CRS, rasterio order.
        corners: Longitude and latitude of the upper left, upper right, lower right and
            lower left corner, degrees.
    """

    name: str
    part: str
    region: str
    gsd_m: float
    corners: tuple[tuple[float, float], ...]
    epsg: int | None = None
    transform: tuple[float, float, float, float, float, float] | None = None

    def georeference(
        self, left: int, top: int, width: int, height: int, shape: tuple[int, ...]
    ) -> dict[str, Any]:
        """Return what a record says about the place of a part of the tile."""
        west, north = self.place(left, top, shape)
        east, south = self.place(left + width, top + height, shape)
        sides = (round(side, 6) for side in (west, south, east, north))
        facts: dict[str, Any] = {"bounds_lonlat": tuple(sides)}
        if self.epsg and self.transform:
            a, b, c, d, e, f = self.transform
            x, y = a * left + b * top + c, d * left + e * top + f
            facts |= {"crs": f"EPSG:{self.epsg}", "transform": (a, b, x, d, e, y)}
        return facts

    def place(self, x: float, y: float, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return longitude and latitude of a pixel; in so small a tile to within 1 px."""
        (west, north), _, (east, south), _ = self.corners
        return (
            west + (east - west) * x / shape[1],
            north + (south - north) * y / shape[0],
        )


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the pairs of a split and their pieces, in the order of ``tiles.json``.

    Args:
        root: Folder of the dataset.
        split: Which tiles; pairs whose place is uncertain are left out.

    Yields:
        For every tile the pair, then its pieces, optical before SAR each time.

    Raises:
        SettingsError: If a file is missing.
        ParseError: If a file does not hold what its format requires.
    """
    for number in range(count(root, split)):
        yield from read_part(root, split, number)


def count(root: Path, split: Split) -> int:
    """Return the number of tiles of a split, each of which can be read alone."""
    return len(_tiles(root, split))


def read_part(root: Path, split: Split, number: int) -> Iterator[Record]:
    """Yield the pair of a tile and its pieces, by the number of the tile.

    Raises:
        SettingsError: If a file is missing.
        ParseError: If a file does not hold what its format requires.
    """
    tile = _tiles(root, split)[number]
    part = "test" if split == "test" else "train"
    name = f"{tile.name}.webp"
    ((_, optical),) = read_tar(root / f"optical_{part}.tar", [name])
    ((_, sar),) = read_tar(root / f"sar_{part}.tar", [name])
    yield from _records(
        tile, _decoded(name, optical, "RGB"), optical, _decoded(name, sar, "L"), sar
    )


def _tiles(root: Path, split: Split) -> list[Tile]:
    return [tile for tile in read_tiles(root / "tiles.json") if _split(tile) == split]


def read_tiles(path: Path) -> list[Tile]:
    """Return the tiles whose place is certain.

    Raises:
        SettingsError: If the file is missing.
        ParseError: If it does not hold what its format requires.
    """
    if not path.is_file():
        raise missing(path)
    return [
        _tile(row)
        for row in entries(read_json(path), path.name)
        if not row.raw("location_uncertain") and not row.raw("duplicate_of")
    ]


def _tile(row: Fields) -> Tile:
    (gsd_m,) = as_fields(
        {"ground_pixel_m": [row.raw("ground_pixel_m")]}, row.where
    ).numbers("ground_pixel_m", 1)
    points = row.items("corners_lonlat")
    corners = [
        as_fields({"corners_lonlat": p}, row.where).numbers("corners_lonlat", 2)
        for p in points
    ]
    if len(corners) != 4 or gsd_m <= 0:
        raise row.fault("'corners_lonlat' or 'ground_pixel_m'", "cannot be right")
    a, b, c, d, e, f = (
        row.numbers("transform", 6) if row.has("transform") else (0.0,) * 6
    )
    epsg = row.values.get("epsg")
    if epsg is not None and not isinstance(epsg, int):
        raise row.fault("'epsg'", f"is {epsg!r:.40}, not a number")
    return Tile(
        name=row.text("name"),
        part=split_named(row.text("split"), row.where),
        region=row.text("region"),
        gsd_m=gsd_m,
        corners=tuple((x, y) for x, y in corners),
        epsg=epsg,
        transform=(a, b, c, d, e, f) if row.has("transform") else None,
    )


def _split(tile: Tile) -> Split:
    if tile.part == "test":
        return "test"
    return "val" if tile.name in VAL else "train"


def _records(
    tile: Tile,
    optical: NDArray[np.uint8],
    optical_file: bytes,
    sar: NDArray[np.uint8],
    sar_file: bytes,
) -> Iterator[Record]:
    where = {"tile": tile.name, "region": tile.region}
    cells = cover_map(optical)
    shape = optical.shape
    lon, lat = tile.place(shape[1] / 2, shape[0] / 2, shape)
    yield from _pair(
        tile,
        ".webp",
        {"optical": optical_file, "sar": sar_file},
        shape,
        **tile.georeference(0, 0, shape[1], shape[0], shape),
        masks=masks(cells, shape),
        meta=where | {"lonlat": [round(lon, 6), round(lat, 6)]} | WEAK,
    )
    step = PIECE // CELL
    for row in range(shape[0] // PIECE):
        for column in range(shape[1] // PIECE):
            top, left = row * PIECE, column * PIECE
            low, right = top + PIECE, left + PIECE
            part = cells[row * step : (row + 1) * step, column * step :][:, :step]
            cover = shares(part)
            west, north = tile.place(left, top, shape)
            east, south = tile.place(right, low, shape)
            yield from _pair(
                tile,
                f"-{row}-{column}.png",
                {
                    "optical": _png(optical[top:low, left:right]),
                    "sar": _png(sar[top:low, left:right]),
                },
                (PIECE, PIECE),
                **tile.georeference(left, top, PIECE, PIECE, shape),
                cover=cover,
                places=places(Box(west, south, east, north), cover),
                is_piece=True,
                # Pieces of a tile are no independent draws.
                meta=where | {"piece": [row, column], "cluster": tile.name} | WEAK,
            )


def _pair(
    tile: Tile,
    ending: str,
    files: Mapping[_Sensor, bytes],
    shape: tuple[int, ...],
    **facts: Any,
) -> Iterator[Record]:
    """Yield the optical record, with its partner, and the radar one."""
    optical, sar = (
        Record(
            image=files[sensor],
            name=f"{tile.name}-{sensor}{ending}",
            width=shape[1],
            height=shape[0],
            source=NAME,
            licence=LICENCE,
            sensor=sensor,
            gsd_m=tile.gsd_m,
            **facts,
        )
        for sensor in _SENSORS
    )
    yield from (replace(optical, partner=sar), sar)


def _decoded(name: str, data: bytes, mode: str) -> NDArray[np.uint8]:
    """Return the pixels; WebP has no gray mode, so that SAR comes as three bands."""
    try:
        with Image.open(BytesIO(data)) as image:
            return np.asarray(image.convert(mode))
    except (UnidentifiedImageError, OSError):
        raise ParseError(f"{name!r} is no image. Fetch the tar again.") from None


def _png(pixels: NDArray[np.uint8]) -> bytes:
    data = BytesIO()
    Image.fromarray(pixels).save(data, format="PNG")
    return data.getvalue()
