"""Objects and windows of a picture as text: boxes, outlines, coarse masks, requests.

The data engine writes such text into questions ("outline the ship in the box [...]"),
and training writes it as the answer, for pictures as they are shown.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rsvlm.codec import RsvlmCodec
from rsvlm.geometry import HBB, Mask, Polygon, Region, Shape, Window
from rsvlm.samples import MaskRle
from rsvlm.training.augment import Array, Item
from rsvlm.zooming_requests import UNITS, write_request

#: Objects that a text tells at most: the region head finds the others.
MOST_SHAPES = 3
#: Corners of an outline that are told.
MOST_CORNERS = 8


def items_text(
    items: Sequence[Item], label: str | None, kind: str, size: tuple[int, int]
) -> str:
    """Return objects in our dialect.

    Args:
        items: The objects, in px of the picture as it is shown.
        label: What they are; "" leaves it out, None takes that of each.
        kind: ``"hbb"``, ``"obb"``, ``"polygon"`` or ``"mask"``, one mask a label.
        size: Width and height of the picture in px.

    Returns:
        The largest first, at most ``MOST_SHAPES``; "none" without.
    """
    largest = sorted(items, key=lambda item: -HBB(*item.hbb).area)[:MOST_SHAPES]
    named = [(item.label if label is None else label, item) for item in largest]
    if kind == "mask":
        rings: dict[str, list[Array]] = {}
        for name, item in named:
            rings.setdefault(name, []).extend(item.rings)
        regions = [Region(_mask(found, size), name) for name, found in rings.items()]
    else:
        regions = [Region(_shape(item, kind), name) for name, item in named]
    return _text(regions, size)


def request_text(
    window: Sequence[float], size: tuple[int, int], quarter: int, mirror: bool
) -> str:
    """Return the request for a window of a picture, turned.

    Args:
        window: x0, y0, x1, y1 in px of the picture as it is.
        size: Width and height of the picture as it is, px.
        quarter: Quarters counter-clockwise.
        mirror: Whether left and right are swapped afterwards.

    >>> request_text((0, 0, 50, 20), (100, 40), 1, False)
    '{"name": "image_zoom_in", "arguments": {"bbox": [0, 500, 500, 1000]}}'
    """
    shares = (value / size[i % 2] for i, value in enumerate(window))
    x0, y0, x1, y1 = (value * UNITS for value in shares)
    for _ in range(quarter % 4):
        x0, y0, x1, y1 = y0, UNITS - x1, y1, UNITS - x0
    if mirror:
        x0, x1 = UNITS - x1, UNITS - x0
    return write_request(HBB(x0, y0, x1, y1))


def mask_text(mask: MaskRle, label: str, quarter: int, mirror: bool) -> str:
    """Return the mask of a sample for its picture, turned, in our dialect.

    Args:
        mask: Mask over the picture as it is.
        label: What it is.
        quarter: Quarters counter-clockwise.
        mirror: Whether left and right are swapped afterwards.
    """
    rows, columns = mask.size
    whole = Mask(mask.counts, (rows, columns), HBB(0, 0, columns, rows)).to_array()
    shown = np.rot90(whole, quarter)
    shown = np.ascontiguousarray(shown[:, ::-1] if mirror else shown)
    region = Region(Mask.from_array(shown), label)
    return _text([region], (shown.shape[1], shown.shape[0]))


def _text(regions: Sequence[Region], size: tuple[int, int]) -> str:
    return RsvlmCodec().encode(regions, Window.whole(*size, *size))


def _shape(item: Item, kind: str) -> Shape:
    if kind == "hbb":
        return HBB(*item.hbb)
    ring = max(item.rings, key=lambda ring: float(np.prod(np.ptp(ring, axis=0))))
    polygon = _polygon(ring)
    return polygon.min_area_obb() if kind == "obb" else _simple(polygon)


def _polygon(ring: Array) -> Polygon:
    return Polygon(tuple((float(x), float(y)) for x, y in ring))


def _simple(polygon: Polygon) -> Polygon:
    """Return an outline of at most ``MOST_CORNERS`` corners."""
    import shapely

    outline = shapely.Polygon(polygon.exterior)
    tolerance = max(polygon.hbb.width, polygon.hbb.height) / 100
    while len(outline.exterior.coords) > MOST_CORNERS + 1:
        outline = outline.simplify(tolerance)
        tolerance *= 1.3
    corners = tuple(outline.exterior.coords[:-1])
    return Polygon(corners) if len(corners) >= 3 else polygon


def _mask(rings: Sequence[Array], size: tuple[int, int]) -> Mask:
    """Return the pixels inside any of the rings."""
    from pycocotools import mask

    width, height = size
    codes = mask.frPyObjects([ring.ravel().tolist() for ring in rings], height, width)
    drawn: NDArray[np.bool_] = mask.decode(mask.merge(codes)).astype(bool)
    return Mask.from_array(drawn)
