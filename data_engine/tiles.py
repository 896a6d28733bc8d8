"""Cuts large images into tiles, with the objects that lie in each.

A scene of 10,000 px shown whole hides its cars; shown tile by tile it does not. Tiles
overlap, and only those with an object are yielded.

Source:
    Overlap and the share of an object that counts as there: DOTA devkit, Xia et al.,
    CVPR 2018.
"""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

from rsvlm.data_engine.filters.geometry import clipped
from rsvlm.data_engine.records import Record
from rsvlm.errors import ParseError, SettingsError
from rsvlm.geometry import HBB
from rsvlm.opening import MAGIC
from rsvlm.samples import Target
from rsvlm.tiling import grid

#: Share of a tile that its neighbour repeats.
OVERLAP = 0.2
#: An object belongs to a tile with at least this share of its box.
LEAST_SHARE = 0.7


def cut(record: Record, side: int) -> Iterator[Record]:
    """Yield the tiles of an image with their objects; a small image stays whole.

    Args:
        record: The image.
        side: Side of a tile, px.

    Raises:
        SettingsError: If the record has more than boxes and outlines.
        ParseError: If the image cannot be decoded.
    """
    if max(record.width, record.height) <= side:
        yield record
        return
    if record.masks or record.partner or record.captions or record.questions:
        raise SettingsError(
            f"'tile' does not fit the source {record.source!r}: what it says is about "
            "whole images. Take the setting out."
        )
    stem = record.name.rpartition(".")[0]
    boxes = [
        (box, targets)
        for box in grid(record.width, record.height, side, OVERLAP)
        if (targets := _inside(record.targets, box))
    ]
    is_tiff = record.image.startswith(MAGIC["GTiff"])
    read = _tiff_window if is_tiff else _picture_window
    opened = _opened(record, is_tiff)
    with opened as image:
        for box, targets in boxes:
            name = f"{stem}-{int(box.x0)}-{int(box.y0)}"
            yield replace(
                record,
                image=read(image, box),
                name=f"{name}.{'tif' if is_tiff else 'png'}",
                width=int(box.width),
                height=int(box.height),
                targets=targets,
                # Tiles of an image are no independent draws.
                meta={**record.meta, "cluster": record.name},
                **_place(record, box),
            )


def _inside(targets: tuple[Target, ...], box: HBB) -> tuple[Target, ...]:
    moved = (_moved(target, -box.x0, -box.y0) for target in targets)
    size = int(box.width), int(box.height)
    return tuple(part for t in moved if (part := clipped(t, *size, LEAST_SHARE)))


def _moved(target: Target, dx: float, dy: float) -> Target:
    x0, y0, x1, y1 = target.hbb
    return target.model_copy(
        update={
            "hbb": (x0 + dx, y0 + dy, x1 + dx, y1 + dy),
            "polygons": tuple(
                tuple(v + (dy if i % 2 else dx) for i, v in enumerate(ring))
                for ring in target.polygons
            ),
        }
    )


def _place(record: Record, box: HBB) -> dict[str, Any]:
    if record.transform is None:
        return {"bounds_lonlat": record.bounds_lonlat}
    a, b, c, d, e, f = record.transform
    x, y = a * box.x0 + b * box.y0 + c, d * box.x0 + e * box.y0 + f
    return {"transform": (a, b, x, d, e, y), "bounds_lonlat": record.bounds_lonlat}


def _opened(record: Record, is_tiff: bool) -> Any:
    from PIL import Image
    from rasterio.errors import RasterioError
    from rasterio.io import MemoryFile

    try:
        if is_tiff:
            return MemoryFile(record.image).open()
        # Scenes of DOTA have more pixels than Pillow opens without being told to.
        Image.MAX_IMAGE_PIXELS = None
        return Image.open(BytesIO(record.image))
    except (OSError, RasterioError) as error:
        raise ParseError(
            f"{record.name} is no readable image ({error}). Fetch the file again."
        ) from None


def _picture_window(image: Any, box: HBB) -> bytes:
    data = BytesIO()
    part = image.crop((int(box.x0), int(box.y0), int(box.x1), int(box.y1)))
    part.save(data, format="PNG")
    return data.getvalue()


def _tiff_window(dataset: Any, box: HBB) -> bytes:
    from rasterio.io import MemoryFile
    from rasterio.windows import Window

    window = Window(int(box.x0), int(box.y0), int(box.width), int(box.height))
    options = {
        "driver": "GTiff",
        "count": dataset.count,
        "width": int(box.width),
        "height": int(box.height),
        "dtype": dataset.dtypes[0],
        "nodata": dataset.nodata,
        "compress": "deflate",
        "crs": dataset.crs,
        "transform": dataset.window_transform(window),
    }
    with MemoryFile() as memory:
        with memory.open(**options) as out:
            out.write(dataset.read(window=window))
            out.descriptions = dataset.descriptions
        return bytes(memory.read())
