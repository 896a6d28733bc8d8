"""xView3: vessels and fixed structures at sea, as points in Sentinel-1 scenes.

``validation.csv`` beside ``<anywhere>/<scene_id>/{VV,VH}_dB.tif``. Only the list
``validation.csv`` is read: people have looked at all of its scenes, while
``train.csv`` comes from ship transponders and misses ships. Its scenes are divided into
training and validation.

A scene of 10 m/px is too large to show. What is yielded are windows of it with at least
one object, as GeoTIFF with VV and VH in dB; a window with an uncertain object is left
out, since nothing in it can be counted. Boxes are those of the labels, or squares of the
vessel's length around the point.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsvlm.data_engine.records import Record, Split, hold_out
from rsvlm.errors import ParseError
from rsvlm.formats.upstream import below, found
from rsvlm.formats.xview3 import Point, read_points
from rsvlm.samples import Target

NAME = "xview3"
LICENCE = "labels CC-BY-NC-SA-4.0 (xView3); contains modified Copernicus Sentinel data"
FILES = ("**/validation.csv",)
BANDS = ("VV_dB.tif", "VH_dB.tif")
OBJECTS = ("ship", "offshore structure")
#: m/px.
GSD_M = 10.0
#: Side of a window, px, and of the box of an object of unknown length.
SIDE, LEAST = 800, 5.0
#: Share of the scenes that serves for validation.
VAL_SHARE = 0.2


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the windows of a split; there is none for testing.

    Raises:
        ParseError: If the table or a scene does not hold what its format requires.
    """
    if split == "test":
        return
    path = found(root, "validation.csv")[0]
    scenes: dict[str, list[Point]] = defaultdict(list)
    for point in read_points(path):
        scenes[point.scene].append(point)
    count = max(1, round(VAL_SHARE * len(scenes))) if len(scenes) > 1 else 0
    held = hold_out([[name] for name in sorted(scenes)], count, NAME)
    for name in sorted(scenes):
        if (name in held) == (split == "val"):
            yield from _windows(root, name, scenes[name])


def _windows(root: Path, name: str, points: list[Point]) -> Iterator[Record]:
    cells: dict[tuple[int, int], list[Point]] = defaultdict(list)
    for point in points:
        cells[int(point.y // SIDE), int(point.x // SIDE)].append(point)
    files = [_file(root, name, band, points[0].where) for band in BANDS]
    for (row, column), inside in sorted(cells.items()):
        if any(p.confidence == "LOW" or p.is_vessel is None for p in inside):
            continue
        left, top = column * SIDE, row * SIDE
        data, width, height = _cut(files, left, top, inside[0])
        targets = tuple(_target(point, left, top, width, height) for point in inside)
        yield Record(
            image=data,
            name=f"{name}-{row}-{column}.tif",
            width=width,
            height=height,
            source=NAME,
            licence=LICENCE,
            targets=targets,
            objects=OBJECTS,
            sensor="sar",
            gsd_m=GSD_M,
            meta={"labels": "points; boxes are derived", "cluster": name},
        )


def _file(root: Path, scene: str, band: str, where: str) -> Path:
    hits = below(root, f"{scene}/{band}")
    if not hits:
        raise ParseError(
            f"{where}: there is no {scene}/{band} below {str(root)!r}. "
            "Unpack the scene there, or take its lines out of the table."
        )
    return hits[0]


def _target(point: Point, left: int, top: int, width: int, height: int) -> Target:
    half = max((point.length_m or 0) / GSD_M, LEAST) / 2
    x, y = point.x + 0.5, point.y + 0.5
    x0, y0, x1, y1 = point.box or (x - half, y - half, x + half, y + half)
    return Target(
        label=OBJECTS[0] if point.is_vessel else OBJECTS[1],
        hbb=(
            max(x0 - left, 0.0),
            max(y0 - top, 0.0),
            min(x1 - left, float(width)),
            min(y1 - top, float(height)),
        ),
    )


def _cut(
    files: list[Path], left: int, top: int, point: Point
) -> tuple[bytes, int, int]:
    """Return a window of two files as one GeoTIFF, its width and its height, px."""
    import numpy as np
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.io import MemoryFile
    from rasterio.windows import Window

    bands, profile = [], dict[str, Any]()
    for path in files:
        try:
            with rasterio.open(path, driver="GTiff") as scene:
                width = min(SIDE, scene.width - left)
                height = min(SIDE, scene.height - top)
                if width < 1 or height < 1:
                    raise ParseError(
                        f"{point.where}: the point {point.x:g} {point.y:g} lies outside "
                        f"of {path.parent.name}/{path.name}. Correct the line."
                    )
                window = Window(left, top, width, height)
                bands.append(scene.read(1, window=window).astype(np.float32))
                profile = {
                    "crs": scene.crs,
                    "transform": scene.window_transform(window),
                    "nodata": scene.nodata,
                }
        except RasterioError as error:
            raise ParseError(
                f"{path.parent.name}/{path.name} is no readable GeoTIFF ({error}). "
                "Fetch the scene again."
            ) from None
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", count=2, width=width, height=height, dtype="float32",
            compress="deflate", predictor=3, **profile,
        ) as out:  # fmt: skip
            out.write(np.stack(bands))
            out.descriptions = ("VV", "VH")
        return bytes(memory.read()), width, height
