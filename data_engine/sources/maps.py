"""Own images with a map: OpenStreetMap, a land-cover raster, named places.

The folder ``maps`` holds georeferenced rasters (``images/*.tif``) and, of the rest, what
there is: extracts of OpenStreetMap (``*.osm.pbf`` or ``*.osm``), land-cover rasters of
ESA WorldCover (``landcover/*.tif``). Rasters are cut into windows; a window whose place
the map says nothing about yields nothing.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from rsvlm.data_engine.gazetteer import Box
from rsvlm.data_engine.maps import places, texts, worldcover
from rsvlm.data_engine.maps.osm import ATTRIBUTION, Feature, distinct, read_extract
from rsvlm.data_engine.maps.placed import place
from rsvlm.data_engine.records import Question, Record, Split, missing
from rsvlm.data_engine.sources.texts import kept_for
from rsvlm.errors import ImageError, ParseError
from rsvlm.formats.upstream import is_clutter
from rsvlm.geometry import HBB
from rsvlm.raster import Raster

NAME = "maps"
LICENCE = (
    f"texts: ODbL-1.0 ({ATTRIBUTION}) and CC BY 4.0 (ESA WorldCover, GeoNames); "
    "images: yours"
)
#: Side of a window, px.
SIDE = 512
#: So many windows along a side stay in one split: neighbours look alike.
BLOCK = 2


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the windows of a split that the maps say something about.

    Args:
        root: Folder with the rasters and the maps.
        split: ``val`` is drawn by place; ``test`` is empty.

    Raises:
        SettingsError: If there is no raster.
        ParseError: If a file does not hold what its format requires.
        MissingExtraError: If there is an extract, but no pyosmium.
        AssetError: If the lists of airports and towns cannot be had.
    """
    if split == "test":
        return
    rasters = _geotiffs(root / "images")
    if not rasters:
        raise missing(root / "images")
    extracts = sorted(
        path
        for path in root.iterdir()
        if ".osm" in path.suffixes and not is_clutter(path)
    )
    features = distinct(one for path in extracts for one in read_extract(path))
    covers = _geotiffs(root / "landcover")
    for path in rasters:
        try:
            with Raster.open(path) as raster:
                yield from _windows(raster, path.stem, features, covers, split)
        except ImageError as error:
            raise ParseError(f"{error}") from None


def _geotiffs(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.glob("*")
        if path.suffix.lower() in (".tif", ".tiff") and not is_clutter(path)
    )


def _windows(
    raster: Raster, stem: str, features: list[Feature], covers: list[Path], split: Split
) -> Iterator[Record]:
    if raster.georeference is None:
        raise ParseError(
            f"{stem}.tif has no place on the Earth, so that no map fits it. Give its "
            "coordinate reference system with gdal_translate -a_srs."
        )
    for top in range(0, raster.height, SIDE):
        for left in range(0, raster.width, SIDE):
            block = f"{stem}/{top // SIDE // BLOCK}/{left // SIDE // BLOCK}"
            if kept_for(block, NAME) != split:
                continue
            window = HBB(left, top, min(left + SIDE, raster.width),
                         min(top + SIDE, raster.height))  # fmt: skip
            record = _record(
                raster, f"{stem}-{left}-{top}", window, features, covers, split
            )
            if record is not None:
                yield record


def _record(
    raster: Raster,
    name: str,
    window: HBB,
    features: list[Feature],
    covers: list[Path],
    split: Split,
) -> Record | None:
    from PIL import Image

    reference = raster.georeference
    width, height = int(window.width), int(window.height)
    if reference is None or min(width, height) < SIDE // 4:
        return None
    a, b, c, d, e, f = reference.transform
    x, y = window.x0, window.y0
    transform = (a, b, a * x + b * y + c, d, e, d * x + e * y + f)
    moved = type(reference)(reference.crs_wkt, transform)
    gsd_m = moved.gsd_m(width, height)
    bounds = moved.bounds_lonlat(width, height)
    if gsd_m is None or bounds is None:
        return None
    captions: tuple[str, ...] = ()
    asked: tuple[Question, ...] = ()
    if features:
        found = place(features, reference, window, gsd_m)
        captions += texts.captions(found)
        if found:
            mapped = {feature.row.label for feature in features}
            asked += tuple(texts.questions(found, mapped, split, name))
    for path in covers:
        values = worldcover.read_cover(
            path, reference.crs_wkt, transform, width, height
        )
        captions += worldcover.captions(values)
        asked += worldcover.questions(values, split, name)
    if not captions and not asked:
        return None
    west, south, east, north = bounds
    named = places.questions(Box(west, south, east, north), _named(), split, name)
    data = BytesIO()
    view = raster.view(window, width, height)
    Image.fromarray(view.pixels).save(data, format="PNG")
    return Record(
        image=data.getvalue(),
        name=f"{name}.png",
        width=width,
        height=height,
        source=NAME,
        licence=LICENCE,
        sensor="sar" if raster.sensor == "sar" else "optical",
        gsd_m=round(gsd_m, 4),
        crs=reference.crs_name,
        transform=transform,
        bounds_lonlat=(west, south, east, north),
        captions=captions,
        questions=asked + named,
        meta={"labels": "from maps"},
    )


def _named() -> tuple[places.Named, ...]:
    """Return the places of the lists; ports where the extra with them is installed."""
    found = places.airports() + places.towns()
    return found + places.ports() if places.has_ports() else found
