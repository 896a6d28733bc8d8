"""Optical/SAR retrieval: find the radar image of an optical one, and the reverse.

``tiles.json`` beside ``{optical,sar}_test.tar`` (Sentinel-2 RGB, Sentinel-1 VH, 1024 x
1024 px each, one grid). Every test tile is cut into 16 pieces of 256 px; a piece is the
query of one sample and an item of the gallery of the other direction. Neighbouring
pieces look alike, all are of one city and date: report results as such.

Source:
    github VolkovVl/Optical-SAR-dataset; Copernicus Sentinel data 2020, modified.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rsvlm.eval.convert.asked import asked
from rsvlm.eval.convert.vhr10 import folder_of
from rsvlm.formats.tars import read_tar
from rsvlm.formats.upstream import Fields, entries, read_json
from rsvlm.samples import ImageRef, Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "optical-sar-retrieval"
LICENCE = (
    "contains modified Copernicus Sentinel data 2020; upstream permits distribution and "
    "modification"
)
#: Side of a piece, px.
PIECE = 256
_SENSORS: tuple[Literal["optical", "sar"], ...] = ("optical", "sar")
_OTHER = {"optical": "sar", "sar": "optical"}
_QUESTIONS = {
    "optical": "Find the radar image of the same place.",
    "sar": "Find the optical image of the same place.",
}


@dataclass(frozen=True)
class Tile:
    """A pair of the test split, and its grid."""

    name: str
    region: str
    width: int
    height: int
    epsg: int
    transform: tuple[float, float, float, float, float, float]
    gsd_m: float


def read_tiles(root: Path) -> list[Tile]:
    """Return the test tiles whose place is certain.

    Args:
        root: Folder ``optical_sar``, or the one that holds it.

    Raises:
        ParseError: If the file does not hold what the layout requires.
    """
    path = folder_of(root, "optical_sar") / "tiles.json"
    return [
        _tile(entry)
        for entry in entries(read_json(path), path.name)
        if entry.text("split") == "test"
        and not entry.values.get("location_uncertain")
        and not entry.values.get("duplicate_of")
    ]


def _tile(entry: Fields) -> Tile:
    a, b, c, d, e, f = entry.numbers("transform", 6)
    width, height, epsg, gsd = (
        entry.raw(key) for key in ("width", "height", "epsg", "ground_pixel_m")
    )
    if not all(isinstance(value, int) and value > 0 for value in (width, height, epsg)):
        raise entry.fault("'width', 'height' or 'epsg'", "is no positive number")
    return Tile(
        name=entry.text("name"),
        region=entry.text("region"),
        width=width,
        height=height,
        epsg=epsg,
        transform=(a, b, c, d, e, f),
        gsd_m=float(gsd),
    )


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample a piece and direction; the type is the direction.

    ``relevant`` names the one right item; the gallery of a query is every sample of
    the other type, by id.

    Raises:
        ParseError: If ``tiles.json`` does not hold what the layout requires.
    """
    tiles = read_tiles(root)
    for sensor in _SENSORS:
        for tile in tiles:
            for piece in _pieces(tile):
                other = _OTHER[sensor]
                yield Sample(
                    id=_id(sensor, tile, piece),
                    images=(
                        ImageRef(
                            path=_path(sensor, tile, piece),
                            width=PIECE,
                            height=PIECE,
                            sensor=sensor,
                            gsd_m=tile.gsd_m,
                        ),
                    ),
                    task="retrieve",
                    conversation=asked(_QUESTIONS[sensor]),
                    relevant={_id(other, tile, piece): 1.0},
                    type=f"{sensor} to {other}",
                    source=NAME,
                    licence=LICENCE,
                    split="test",
                    meta={"tile": tile.name, "cluster": tile.name},
                )


def pictures(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every piece, without further loss."""
    from rsvlm.eval.convert.rasters import as_png, decoded

    tiles = {f"{tile.name}.webp": tile for tile in read_tiles(root)}
    for sensor in _SENSORS:
        tar = folder_of(root, "optical_sar") / f"{sensor}_test.tar"
        for name, data in read_tar(tar, tiles):
            # WebP has no gray mode: SAR comes as three equal bands.
            bands = 3 if sensor == "optical" else 1
            pixels = decoded(data, name)[:bands]
            for piece in _pieces(tiles[name]):
                yield _path(sensor, tiles[name], piece), as_png(_cut(pixels, piece))


def _cut(pixels: "NDArray[np.uint8]", piece: tuple[int, int]) -> "NDArray[np.uint8]":
    row, column = piece
    return pixels[
        :, row * PIECE : (row + 1) * PIECE, column * PIECE : (column + 1) * PIECE
    ]


def _pieces(tile: Tile) -> Iterator[tuple[int, int]]:
    for row in range(tile.height // PIECE):
        for column in range(tile.width // PIECE):
            yield row, column


def _id(sensor: str, tile: Tile, piece: tuple[int, int]) -> str:
    return f"{NAME}/{sensor}/{tile.name}-{piece[0]}{piece[1]}"


def _path(sensor: str, tile: Tile, piece: tuple[int, int]) -> str:
    return f"images/optical_sar/{sensor}/{tile.name}-{piece[0]}{piece[1]}.png"
