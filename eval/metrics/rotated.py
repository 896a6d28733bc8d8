"""Turned boxes as arrays of corners: reading them, repairing them, comparing them.

Corners are raster pixels, y downward, shape (N, 4, 2). A turned box is written either
with its corners or as (cx, cy, w, h, degrees); degrees turn **clockwise on screen**
unless said otherwise, so that a corner at (dx, dy) from the centre comes to
``cx + dx cos - dy sin, cy + dx sin + dy cos``. Direction matters: two boxes of 40 x 6
pixels whose centres are 10 and 6 pixels apart may overlap by 0.52 turned one way and
not at all turned the other.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsvlm.eval.metrics.overlaps import Floats, Geometries, polygon_overlaps

#: Sense of an angle on screen.
Turn = Literal["cw", "ccw"]
#: What becomes of corners that form no simple quadrilateral.
Invalid = Literal["resort", "zero"]

#: Corners relative to the centre, in halves of the sides; clockwise on screen.
_HALVES = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])


def from_center(boxes: Floats, turn: Turn = "cw") -> Floats:
    """Return the corners of turned boxes.

    Args:
        boxes: cx, cy, w, h in pixels and the angle in degrees, shape (N, 5).
        turn: Sense of a positive angle on screen.

    Returns:
        Corners, shape (N, 4, 2), pixels.

    >>> from_center(np.array([[5, 5, 4, 2, 90.0]])).round(6).tolist()
    [[[6.0, 3.0], [6.0, 7.0], [4.0, 7.0], [4.0, 3.0]]]
    """
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 5)
    angle = np.radians(boxes[:, 4:]) * (1 if turn == "cw" else -1)  # (N, 1)
    dx, dy = np.moveaxis(_HALVES * boxes[:, None, 2:4], -1, 0)  # (N, 4) each
    x = boxes[:, :1] + dx * np.cos(angle) - dy * np.sin(angle)
    y = boxes[:, 1:2] + dx * np.sin(angle) + dy * np.cos(angle)
    return np.stack([x, y], axis=-1)


def from_corners_and_angle(boxes: Floats, turn: Turn = "cw") -> Floats:
    """Return the corners of upright boxes turned about their centres (GeoChat's form).

    Args:
        boxes: x0, y0, x1, y1 in pixels and the angle in degrees, shape (N, 5); boxes
            may leave the image.
        turn: Sense of a positive angle on screen; EarthDial's is ``ccw``.

    Returns:
        Corners, shape (N, 4, 2), pixels.
    """
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 5)
    low, high = boxes[:, :2], boxes[:, 2:4]
    middle, size = (low + high) / 2, np.abs(high - low)
    return from_center(np.hstack([middle, size, boxes[:, 4:]]), turn)


def from_bounds(boxes: Floats) -> Floats:
    """Return the corners of upright boxes (N, 4), clockwise on screen, (N, 4, 2)."""
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 4)
    return np.ascontiguousarray(boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]])


def canonical(boxes: Floats) -> Floats:
    """Return the one writing of each turned box: w >= h, angle in [-90, 90).

    A box is the same after half a turn, and after a quarter turn with the sides
    swapped; squares get an angle in [-45, 45).

    Args:
        boxes: cx, cy, w, h in pixels and the angle in degrees, shape (N, 5).

    >>> canonical(np.array([[0, 0, 3, 60, 91.0]])).tolist()
    [[0.0, 0.0, 60.0, 3.0, 1.0]]
    """
    boxes = np.array(boxes, dtype=float).reshape(-1, 5)
    tall = boxes[:, 3] > boxes[:, 2]
    boxes[tall, 2:4] = boxes[tall, 3:1:-1]
    boxes[tall, 4] += 90
    period = np.where(boxes[:, 2] == boxes[:, 3], 90.0, 180.0)
    boxes[:, 4] = (boxes[:, 4] + period / 2) % period - period / 2
    return boxes


def polygons(
    quads: Floats, invalid: Invalid = "resort"
) -> tuple[Geometries, NDArray[np.bool_]]:
    """Return quadrilaterals as valid shapely polygons, and which ones were invalid.

    Corners of an outline that crosses itself are sorted by their direction from the
    middle; which order the author meant cannot be known, hence the flags. What has no
    area even so (all corners on a line) becomes an empty polygon: it overlaps nothing.

    Args:
        quads: Corners, shape (N, 4, 2), pixels, finite.
        invalid: ``zero`` makes invalid outlines empty instead.

    Returns:
        Polygons, shape (N,), and flags, shape (N,).
    """
    import shapely

    quads = np.asarray(quads, dtype=float).reshape(-1, 4, 2)
    made: Geometries = shapely.polygons(quads)
    bad: NDArray[np.bool_] = ~shapely.is_valid(made)
    if bad.any():
        offsets = quads[bad] - quads[bad].mean(axis=1, keepdims=True)
        turn = np.arctan2(offsets[..., 1], offsets[..., 0])
        order = np.argsort(turn, axis=1, kind="stable")
        made[bad] = shapely.polygons(
            np.take_along_axis(quads[bad], order[..., None], axis=1)
        )
        lost = ~shapely.is_valid(made) if invalid == "resort" else bad
        made[lost] = shapely.Polygon()
    return made, bad


def iou(a: Floats, b: Floats, generalised: bool = False) -> Floats:
    """Return the IoU of quadrilaterals, pair by pair, shape (N,).

    Args:
        a: Corners, shape (N, 4, 2), pixels; crossing ones are re-sorted.
        b: Likewise.
        generalised: Return the generalised IoU, in [-1, 1], instead.
    """
    overlaps = polygon_overlaps(polygons(a)[0], polygons(b)[0], generalised)
    if not generalised:
        return overlaps.iou
    covered = overlaps.union > 0
    return np.where(covered, overlaps.shared / np.where(covered, overlaps.union, 1), 0)
