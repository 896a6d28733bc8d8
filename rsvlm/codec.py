"""Regions to text and back: the grounding dialect of rsvlm, and what a dialect is.

Coordinates in text are whole numbers from 0 to 1000: x in 1/1000 of the view's width,
y in 1/1000 of its height. They exist only in this file; regions enter and leave in
raster pixels, through :class:`Window`.

========== =========================================================================
box        ``ship [x0,y0,x1,y1]``
oriented   ``ship [x,y,x,y,x,y,x,y]``, corners clockwise, topmost first
polygon    ``lake poly[x,y,x,y,x,y,...]``
mask       ``lake mask[3x8;0*8x2;0*5,1*3]``: rows x columns of a grid over the view,
           then its rows, each run-length coded on its own as value*count; ``x2``
           repeats a row
several    ``ship [..],[..]; plane [..]``
nothing    ``none``
========== =========================================================================

Models write almost this. Reading accepts what is clear (spaces, round brackets,
swapped corners, decimals, JSON lists, text around it) and leaves the rest out; it
fails on no text.

Source:
    Text mask with run lengths inside each row: GeoGround,
    https://arxiv.org/abs/2411.11904.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, Ring, Shape, Window
from rsvlm.instructions import INSTRUCTIONS
from rsvlm.items import plain_label, read_items, read_numbers
from rsvlm.textmask import read_grid, to_grid, write_grid

#: Vertices of a polygon that are written; more are simplified away.
MAX_POINTS = 32


class Codec(Protocol):
    """A grounding dialect: how regions are written in text."""

    @property
    def name(self) -> str:
        """Name of the dialect in :data:`rsvlm.dialects.DIALECTS`."""
        ...

    def instruction(self, shape: str | None = None) -> str:
        """Return the sentence that asks for regions of a kind, or for boxes."""
        ...

    def picture_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size in px at which the model should be given a picture."""
        ...

    def extent(self, window: Window) -> tuple[int, int]:
        """Return the largest x and y that a text about the window may hold."""
        ...

    def encode(self, regions: Sequence[Region], window: Window) -> str:
        """Write regions of the raster as text about the window."""
        ...

    def parse(self, text: str, window: Window) -> list[Region]:
        """Read regions, in raster pixels, from text about the window."""
        ...


@dataclass(frozen=True, slots=True)
class RsvlmCodec:
    """The dialect of the rsvlm models; its grammar stands at the top of this file.

    Attributes:
        grid: Cells of a text mask along the longer side of the view.
    """

    name: ClassVar[str] = "rsvlm"
    SCALE: ClassVar[int] = 1000
    grid: int = 16

    def instruction(self, shape: str | None = None) -> str:
        """Return the sentence of the training that asks for a kind; boxes by default."""
        return INSTRUCTIONS[shape or "hbb"]

    def picture_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the same size: text units do not depend on it."""
        return width, height

    def extent(self, window: Window) -> tuple[int, int]:
        """Return 1000 and 1000, whatever the window."""
        return self.SCALE, self.SCALE

    def encode(self, regions: Sequence[Region], window: Window) -> str:
        """Write regions as text, grouped by label in order of first appearance.

        Regions are cut at the border of the view, those outside are left out. Holes
        of polygons are not written.

        Args:
            regions: Regions in raster pixels.
            window: The part of the raster that the model sees.

        Returns:
            The text; "none" when no region is in view.
        """
        groups: dict[str, list[str]] = {"": []}
        for region in regions:
            item = self._write(region.shape, window)
            if item:
                groups.setdefault(plain_label(region.label), []).append(item)
        # Unlabelled ones come first: elsewhere they would read as the label before.
        parts = [
            f"{label} {','.join(items)}".strip()
            for label, items in groups.items()
            if items
        ]
        return "; ".join(parts) or "none"

    def parse(self, text: str, window: Window) -> list[Region]:
        """Read every region of a reply.

        Numbers outside 0-1000 are clamped. An item without a label takes the label
        of the item before it. What is not a shape, or has no area, is left out.

        Args:
            text: The model's text, whatever it holds.
            window: The part of the raster that the model saw.

        Returns:
            Regions in raster pixels, in reading order, with confidence 1.
        """
        found = []
        for label, keyword, content in read_items(text):
            shape = self._read(keyword, content, window)
            if shape is not None:
                found.append(Region(shape, label))
        return found

    def _units(self, window: Window) -> Window:
        return Window(window.box, self.SCALE, self.SCALE)

    def _write(self, shape: Shape, window: Window) -> str | None:
        """Return the text of a shape, None when it lies outside the view."""
        if isinstance(shape, Mask):
            cells = to_grid(shape, window, self.grid)
            return None if cells is None else f"mask[{write_grid(cells)}]"
        units = self._units(window).to_view(shape)
        inside = units.hbb.clip(self.SCALE, self.SCALE)
        if inside is None:
            return None
        box = self._whole(inside)
        if isinstance(units, HBB):
            return _joined("", (box.corners[0], box.corners[2]))
        if isinstance(units, OBB):
            ring = self._rounded(units.corners)
            # A box below one unit would vanish; its horizontal box does not.
            a, b, c, d = ring if len(set(ring)) == 4 else box.corners
            quad = OBB((a, b, c, d))
            return _joined("", _from_top(quad.corners if quad.area else box.corners))
        ring = tuple(dict.fromkeys(self._rounded(self._outline(units))))
        if len(ring) < 3 or not Polygon(ring).area:
            ring = box.corners
        return _joined("poly", _from_top(ring))

    def _whole(self, box: HBB) -> HBB:
        """Round a box to whole units, at least one wide and high."""
        (x0, y0), _, (x1, y1), _ = self._rounded(box.corners)
        x1, y1 = max(x1, min(x0 + 1, self.SCALE)), max(y1, min(y0 + 1, self.SCALE))
        return HBB(min(x0, x1 - 1), min(y0, y1 - 1), x1, y1)

    def _rounded(self, ring: Ring) -> Ring:
        return tuple(
            (self._clamped(round(x)), self._clamped(round(y))) for x, y in ring
        )

    def _clamped(self, value: float) -> float:
        return min(max(value, 0), self.SCALE)

    def _outline(self, polygon: Polygon) -> Ring:
        """Return the exterior of the largest part in view, clockwise on screen."""
        import shapely

        view = shapely.box(0, 0, self.SCALE, self.SCALE)
        parts = shapely.get_parts(polygon.to_shapely().intersection(view))
        parts = [part for part in parts if part.geom_type == "Polygon"]
        if not parts:
            return ()
        largest = shapely.Polygon(max(parts, key=lambda part: part.area).exterior)
        tolerance = 1.0
        while len(largest.exterior.coords) > MAX_POINTS + 1 and tolerance < self.SCALE:
            largest = largest.simplify(tolerance)
            tolerance *= 2
        # Counter-clockwise with y upward is clockwise on screen.
        return tuple(shapely.geometry.polygon.orient(largest).exterior.coords[:-1])

    def _read(self, keyword: str, content: str, window: Window) -> Shape | None:
        """Return the shape of an item in raster pixels, None when it is not one."""
        cells = read_grid(content)
        if cells is not None:
            rows, columns = cells.shape
            view = Window(window.box, columns, rows)
            mask = view.to_raster(Mask.from_array(cells))
            return mask if mask.area else None
        numbers = [self._clamped(value) for value in read_numbers(content)]
        points = tuple(zip(numbers[::2], numbers[1::2], strict=False))
        shape: Shape
        if len(numbers) == 4 and keyword != "poly":
            xs, ys = sorted(numbers[::2]), sorted(numbers[1::2])
            shape = HBB(xs[0], ys[0], xs[1], ys[1])
        elif len(numbers) == 8 and keyword != "poly":
            a, b, c, d = points
            shape = OBB((a, b, c, d))
        elif len(points) >= 3 and (keyword == "poly" or len(numbers) % 2 == 0):
            shape = Polygon(points)
        else:
            return None
        return self._units(window).to_raster(shape) if shape.area else None


def _joined(keyword: str, ring: Sequence[tuple[float, float]]) -> str:
    return f"{keyword}[{','.join(f'{int(x)},{int(y)}' for x, y in ring)}]"


def _from_top(ring: Ring) -> Ring:
    """Start with the topmost point, so that one shape has one text."""
    first = min(range(len(ring)), key=lambda i: (ring[i][1], ring[i][0]))
    return ring[first:] + ring[:first]
