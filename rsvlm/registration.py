"""How the pixel grids of several rasters of one place map to each other.

:func:`register` compares every pair through the ground: CRS, overlap, size of the
pixels. The :class:`Registration` that it returns places what was found in one image in
another, so that a statement about the radar picture can be shown on the optical one.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsvlm.decode import shown
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Ring, Shape
from rsvlm.georeference import GeoReference
from rsvlm.grids import EDGE, Grid, crossings, gap_m, nearest, outline, overlap

#: Two grids are one when their corners differ by less than this, in pixels.
SAME = 0.02
#: Pixel sizes that differ by more than this factor are worth a warning.
COARSE = 4.0
#: Pixels of a mapped mask that are computed at once, and at all.
BLOCK, LARGEST = 2**20, 2**28


class Placed(Protocol):
    """What registration needs to know of a raster; a Raster and a Grid have it."""

    @property
    def name(self) -> str:
        """File name."""

    @property
    def width(self) -> int:
        """Pixels in a row."""

    @property
    def height(self) -> int:
        """Rows."""

    @property
    def georeference(self) -> GeoReference | None:
        """Place on the Earth; None where the file does not say."""


@dataclass(frozen=True, slots=True)
class Pair:
    """How two rasters lie to each other.

    Attributes:
        same_crs: Whether they have the same coordinate reference system.
        same_grid: Whether every pixel of one is the same pixel of the other.
        overlaps: The part that both show, in pixels of the first and of the second.
        share: Area of that part as a share of the smaller raster, in (0, 1].
        ratio: Size of a pixel of the second over that of the first; None unknown.

    .. versionadded:: 0.1
    """

    same_crs: bool
    same_grid: bool
    overlaps: tuple[Polygon, Polygon]
    share: float
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Registration:
    """Maps between the pixels of the rasters of a question.

    Attributes:
        grids: Size and place of each raster.
        pairs: The pairs that can be mapped, by their two indices in rising order.
        facts: How the rasters lie to each other, one sentence each.
        warnings: What a user should know, one sentence each.

    .. versionadded:: 0.1
    """

    grids: tuple[Grid, ...]
    pairs: Mapping[tuple[int, int], Pair]
    facts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def pair(self, one: int, other: int) -> Pair | None:
        """Return how two rasters lie to each other; None when that is unknown."""
        return self.pairs.get((min(one, other), max(one, other)))

    def overlap(self, image: int, other: int) -> Polygon | None:
        """Return what another raster shows as well, in pixels of this one."""
        found = self.pair(image, other)
        return found.overlaps[image > other] if found else None

    def map_points(
        self, points: ArrayLike, source: int, target: int
    ) -> NDArray[np.float64]:
        """Map points of one raster to another.

        Args:
            points: x and y in pixels of the raster ``source``, shape (N, 2).
            source: Index of the raster that they lie in.
            target: Index of the raster that they are wanted in.

        Returns:
            x and y in pixels of the raster ``target``, shape (N, 2), which may lie
            outside it; nan where they cannot be mapped.
        """
        taken = np.array(points, dtype=float).reshape(-1, 2)
        found = self.pair(source, target)
        if source == target or (found and found.same_grid):
            return taken
        if found is None:
            return np.full_like(taken, np.nan)
        return self.grids[source].onto(self.grids[target], taken)

    def map(self, shape: Shape, source: int, target: int) -> Shape | None:
        """Map a shape of one raster to another.

        A horizontal box becomes the box around its mapped outline, cut at the border
        of the raster. Oriented boxes and polygons keep their corners, which may lie
        beyond the border. A mask is sampled by nearest neighbour in the grid of the
        target; what is smaller than a pixel there keeps one pixel.

        Args:
            shape: In pixels of the raster ``source``.
            source: Index of that raster.
            target: Index of the raster that it is wanted in.

        Returns:
            The shape in pixels of the raster ``target``; None when it lies outside,
            or when the two rasters cannot be mapped to each other.

        Raises:
            SettingsError: If a mask would have too many pixels.
        """
        around = self.map_points(outline(shape.hbb, EDGE), source, target)
        if not np.isfinite(around).all():
            return None
        (x0, y0), (x1, y1) = around.min(0).tolist(), around.max(0).tolist()
        grid = self.grids[target]
        box = HBB(x0, y0, x1, y1).clip(grid.width, grid.height)
        if box is None or isinstance(shape, HBB):
            return box
        if isinstance(shape, Mask):
            return self._mask(shape, box, source, target)
        mapped: OBB | Polygon
        if isinstance(shape, OBB):
            a, b, c, d = self._ring(shape.corners, source, target)
            mapped = OBB((a, b, c, d))
        else:
            holes = (self._ring(hole, source, target) for hole in shape.holes)
            exterior = self._ring(shape.exterior, source, target)
            mapped = Polygon(exterior, tuple(holes))
        return mapped if mapped.hbb.clip(grid.width, grid.height) else None

    def positions(
        self, image: int, box: HBB, width: int, height: int, other: int
    ) -> NDArray[np.float64]:
        """Map the middles of a regular grid to another raster.

        Args:
            image: Index of the raster of the grid.
            box: What the grid covers, in pixels of that raster.
            width: Columns of the grid.
            height: Rows of the grid.
            other: Index of the raster that the positions are wanted in.

        Returns:
            x and y in pixels of the other raster, shape (height, width, 2).
        """
        columns = box.x0 + (np.arange(width) + 0.5) * box.width / width
        rows = box.y0 + (np.arange(height) + 0.5) * box.height / height
        return crossings(lambda p: self.map_points(p, image, other), columns, rows)

    def _ring(self, ring: Ring, source: int, target: int) -> Ring:
        mapped = self.map_points(ring, source, target)
        return tuple((float(x), float(y)) for x, y in mapped)

    def _mask(self, mask: Mask, box: HBB, source: int, target: int) -> Mask | None:
        """Sample a mask in the target; ``box`` is where it lies there."""
        x0, y0 = math.floor(box.x0), math.floor(box.y0)
        width, height = math.ceil(box.x1) - x0, math.ceil(box.y1) - y0
        if width * height > LARGEST:
            raise SettingsError(
                f"A mask would cover {width} x {height} pixels of image {target + 1}, "
                f"more than {LARGEST / 2**20:.0f} million. Ask for polygons instead."
            )
        pixels, out = mask.to_array(), np.zeros((height, width), dtype=bool)
        corner = (mask.window.x0, mask.window.y0)
        step = max(1, BLOCK // width)
        for top in range(0, height, step):
            rows = min(step, height - top)
            part = HBB(x0, y0 + top, x0 + width, y0 + top + rows)
            at = self.positions(target, part, width, rows, source)
            out[top : top + rows] = nearest(pixels, at - corner, False)
        if not out.any():
            row, column = np.nonzero(pixels)
            middles = np.stack([column, row], axis=1) + 0.5 + corner
            at = np.floor(self.map_points(middles, source, target) - (x0, y0))
            hits = at[((at >= 0) & (at < (width, height))).all(1)].astype(int)
            out[hits[:, 1], hits[:, 0]] = True
        return Mask.from_array(out, x0, y0) if out.any() else None


def register(rasters: Sequence[Placed]) -> Registration:
    """Find out how the pixels of several rasters map to each other.

    Args:
        rasters: Opened rasters, or grids. They may be closed afterwards.

    Returns:
        The maps between them, and what there is to say about them.

    Raises:
        SettingsError: If two rasters have a place on the Earth and do not overlap.

    .. versionadded:: 0.1
    """
    grids = tuple(Grid(r.name, r.width, r.height, r.georeference) for r in rasters)
    numbers = range(len(grids))
    if len(grids) < 2:
        return Registration(grids, {})
    placed = [i for i in numbers if grids[i].georeference]
    if not placed:
        return _without_place(grids)
    pairs = {ij: _compare(*ij, grids) for ij in itertools.combinations(placed, 2)}
    facts = [_fact(ij, pair, grids) for ij, pair in pairs.items()]
    warnings = [
        _coarse(ij, pair.ratio, grids)
        for ij, pair in pairs.items()
        if pair.ratio and not 1 / COARSE <= pair.ratio <= COARSE
    ]
    warnings += [
        f"Image {i + 1} does not say where on the Earth it lies: what is found in it "
        "cannot be placed in the other images."
        for i in numbers
        if i not in placed
    ]
    return Registration(grids, pairs, tuple(facts), tuple(warnings))


def _without_place(grids: tuple[Grid, ...]) -> Registration:
    """Register rasters none of which has a place: by their size, or not at all."""
    unknown = "The images do not say where on the Earth they lie"
    if len({(grid.width, grid.height) for grid in grids}) > 1:
        sizes = ", ".join(f"{grid.width} x {grid.height}" for grid in grids)
        warning = (
            f"{unknown} and differ in size ({sizes}): what is found in one cannot be "
            "placed in another."
        )
        return Registration(grids, {}, (), (warning,))
    whole = Polygon(grids[0].whole.corners)
    pair = Pair(False, True, (whole, whole), 1.0, None)
    warning = (
        f"{unknown}; as all have {grids[0].width} x {grids[0].height} pixels, they are "
        "taken to show one place pixel by pixel."
    )
    pairs = dict.fromkeys(itertools.combinations(range(len(grids)), 2), pair)
    return Registration(grids, pairs, (), (warning,))


def _compare(first: int, second: int, grids: Sequence[Grid]) -> Pair:
    """Compare two rasters that have a place on the Earth."""
    a, b = grids[first], grids[second]
    if a.same_as(b, SAME):
        whole = Polygon(a.whole.corners)
        return Pair(True, True, (whole, whole), 1.0, 1.0)
    parts = overlap(a, b)
    if parts is None:
        raise SettingsError(
            f"Images {first + 1} ({shown(a.name, 60)}) and {second + 1} "
            f"({shown(b.name, 60)}) do not overlap: they lie {_metres(gap_m(a, b))} "
            f"apart ({_bounds(a)}; {_bounds(b)}). Give images of one place."
        )
    places = a.georeference, b.georeference
    small = a.area_m2 > b.area_m2
    place, part = places[small], parts[small]
    shared = place.area_m2(part) if place else None
    most = min(a.area_m2, b.area_m2)
    share = min(1.0, shared / most) if shared and math.isfinite(most) else 1.0
    ratio = b.gsd / a.gsd if a.gsd and b.gsd else None
    same_crs = bool(places[0] and places[1] and places[0].shares_crs(places[1]))
    return Pair(same_crs, False, parts, share, ratio)


def _fact(numbers: tuple[int, int], pair: Pair, grids: Sequence[Grid]) -> str:
    a, b = (grids[i] for i in numbers)
    names = f"Images {numbers[0] + 1} and {numbers[1] + 1}"
    sizes = (
        f"{_metres(a.gsd or math.nan)} and {_metres(b.gsd or math.nan)} on the ground"
    )
    if pair.same_grid:
        return f"{names} lie on the same grid, pixel by pixel."
    text = f"{names} overlap by {_percent(pair.share)} of the smaller one"
    if pair.ratio:
        text += f"; their pixels measure {sizes}"
    if not pair.same_crs and a.georeference and b.georeference:
        text += f"; {a.georeference.crs_name} was mapped to {b.georeference.crs_name}"
    return f"{text}."


def _coarse(numbers: tuple[int, int], ratio: float, grids: Sequence[Grid]) -> str:
    fine, coarse = numbers if ratio > 1 else numbers[::-1]
    return (
        f"A pixel of image {coarse + 1} ({_metres(grids[coarse].gsd or math.nan)}) is "
        f"{max(ratio, 1 / ratio):.3g} times as wide as one of image {fine + 1}: small "
        f"objects of image {fine + 1} cannot be made out in image {coarse + 1}."
    )


def _bounds(grid: Grid) -> str:
    place = grid.georeference
    bounds = place.bounds_lonlat(grid.width, grid.height) if place else None
    if bounds is None:
        return "beyond its CRS"
    west, south, east, north = bounds
    return f"lon {west:.3f} to {east:.3f}, lat {south:.3f} to {north:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"


def _metres(length: float) -> str:
    if length >= 1000:
        return f"{length / 1000:,.{0 if length >= 1e4 else 1}f} km"
    return f"{length:.3g} m"
