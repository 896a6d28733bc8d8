"""A grounding dialect of another family of models: what its numbers mean.

A model of another family writes boxes in its own signs and its own unit: parts of
1000, parts of 100, or pixels of the picture as its processor resized it. A
:class:`Dialect` says what the numbers mean; how they are found in a text is the same
for all (:mod:`rsvlm.items`), how they are written is a function of
:mod:`rsvlm.dialect_forms`. The table is :data:`rsvlm.dialects.DIALECTS`.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rsvlm.dialect_forms import Written
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, Ring, Shape, Window
from rsvlm.items import Item, plain_label, read_any
from rsvlm.textmask import read_rows, to_grid, write_rows

#: Numbers beyond this many times the extent of a view are no coordinates.
FAR = 4

_MASK = re.compile(r"<seg>(.*?)(?:</seg>|\Z)", re.DOTALL)
_ROW = re.compile(r"[^;\n]*[01]\s*\*[^;\n]*")


@dataclass(frozen=True, slots=True)
class Turned:
    """How five numbers are an oriented box; angles are degrees.

    Attributes:
        centre: (cx, cy, w, h, angle) instead of (x0, y0, x1, y1, angle), the corners
            of the box before it is turned about its centre.
        clockwise: Direction of a positive angle on screen.
        scale: Units along each side where they differ from those of plain boxes.
        always: Whether boxes that are not turned carry an angle, 0, too.
    """

    centre: bool = True
    clockwise: bool = True
    scale: int | None = None
    always: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the numbers of a dialect mean, and how they are written.

    Attributes:
        name: Key in :data:`rsvlm.dialects.DIALECTS`.
        form: Writes regions; a function of :mod:`rsvlm.dialect_forms`.
        ask: Sentence that asks for horizontal boxes.
        asks: Sentences for other kinds of shape.
        scale: Units along each side of the picture; None for pixels of the picture
            after the resizing of :meth:`picture_size`.
        decimals: Digits after the point that are written.
        step: The model's processor makes both sides multiples of this many px.
        pixels: Fewest and most pixels that it makes.
        y_first: (y0, x0, y1, x1) instead of (x0, y0, x1, y1).
        turned: Meaning of five numbers; None where there are no oriented boxes.
        run_on: Whether several boxes of a label follow each other without a sign.
        corners: Whether four corners may be written as eight numbers.
        outlines: Whether polygons may be written.
        mask_cell: Side in px of a cell of a text mask; None without such masks.
        mask_sides: Or: cells along both sides of a text mask; the fewest are written.
    """

    name: str
    form: Callable[[Sequence[Written]], str]
    ask: str
    asks: Mapping[str, str] = field(default_factory=dict)
    scale: int | None = 1000
    decimals: int = 0
    step: int = 1
    pixels: tuple[int, int] = (1, 2**31)
    y_first: bool = False
    turned: Turned | None = None
    run_on: bool = False
    corners: bool = False
    outlines: bool = False
    mask_cell: int | None = None
    mask_sides: tuple[int, ...] = ()

    def instruction(self, shape: str | None = None) -> str:
        """Return the sentence that asks for regions of a kind, or for boxes."""
        return self.asks.get(shape or "", self.ask)

    def picture_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size in px at which the model sees a picture.

        A picture of that size already is not resized again, so that sending it so
        makes coordinates in pixels certain.

        Source:
            Dynamic resolution of Qwen2-VL, https://arxiv.org/abs/2409.12191.
        """
        if self.step == 1:
            return width, height
        step, (fewest, most) = self.step, self.pixels
        w, h = (max(1, round(side / step)) for side in (width, height))
        area = w * h * step * step
        if area > most:
            ratio = math.sqrt(width * height / most) * step
            w, h = (max(1, math.floor(side / ratio)) for side in (width, height))
        elif area < fewest:
            ratio = math.sqrt(width * height / fewest) * step
            w, h = (math.ceil(side / ratio) for side in (width, height))
        return w * step, h * step

    def extent(self, window: Window) -> tuple[int, int]:
        """Return the largest x and y that a text about the window may hold."""
        if self.scale is not None:
            return self.scale, self.scale
        return self.picture_size(window.width, window.height)

    def encode(self, regions: Sequence[Region], window: Window) -> str:
        """Write regions of the raster as text about the window.

        Shapes that the dialect lacks are written as their horizontal box. Regions
        outside the view are left out.

        Args:
            regions: Regions in raster pixels.
            window: The part of the raster that the model sees.
        """
        shapes = (
            self._write(plain_label(region.label), region.shape, window)
            for region in regions
        )
        written = [shape for shape in shapes if shape is not None]
        return self.form(written)

    def parse(self, text: str, window: Window) -> list[Region]:
        """Read every region of a reply; fails on no text.

        Boxes are cut at the border of the view; an oriented box may cross it, as its
        corners would no longer be those of a box. What is not a shape, has no area or
        lies outside is left out.

        Args:
            text: The model's text, whatever it holds.
            window: The part of the raster that the model saw.

        Returns:
            Regions in raster pixels, in reading order, with confidence 1.
        """
        found = []
        if self._masks:
            for match in _MASK.finditer(text):
                mask = self._read_mask(match[1], window)
                if mask is not None:
                    found.append(Region(mask))
            text = _MASK.sub(" ", text)
        for item in self._apart(read_any(text)):
            shape = self._read(item, window)
            if shape is not None:
                found.append(Region(shape, item.label))
        return found

    def _apart(self, items: Sequence[Item]) -> Iterator[Item]:
        """Yield every box by itself where boxes run on."""
        for item in items:
            numbers = item.numbers
            if not self.run_on or len(numbers) % 4 or item.keyword:
                yield item
                continue
            for i in range(0, len(numbers), 4):
                four = ",".join(map(str, numbers[i : i + 4]))
                yield item._replace(content=four)

    @property
    def _masks(self) -> bool:
        return bool(self.mask_cell or self.mask_sides)

    def _units(self, window: Window) -> Window:
        return Window(window.box, *self.extent(window))

    def _picture(self, window: Window) -> Window:
        return Window(window.box, *self.picture_size(window.width, window.height))

    # Writing

    def _write(self, label: str, shape: Shape, window: Window) -> Written | None:
        """Return a shape in the unit of the dialect, None where it is not in view."""
        if isinstance(shape, Mask) and self._masks:
            columns, rows = self._cells(window)
            grid = to_grid(shape, Window(window.box, columns, rows), max(rows, columns))
            return (
                None if grid is None else Written(label, "mask", (), write_rows(grid))
            )
        width, height = self.extent(window)
        # A mask that becomes a box need not be scaled pixel by pixel.
        plain = shape.hbb if isinstance(shape, Mask) else shape
        units = self._units(window).to_view(plain)
        inside = units.hbb.clip(width, height)
        if inside is None:
            return None
        if isinstance(shape, OBB) and self.turned:
            return Written(label, "turned", self._turned(shape, window, self.turned))
        kind = ""
        if isinstance(units, OBB) and self.corners:
            kind = "corners"
        elif isinstance(units, Polygon) and self.outlines:
            kind = "outline"
        ring = self._rounded(units.corners, width, height) if kind else ()
        # An outline below one unit would vanish; its horizontal box does not.
        if ring and Polygon(ring).area:
            return Written(label, kind, tuple(n for point in ring for n in point))
        numbers = self._box(inside, width, height)
        if self.turned and self.turned.always:
            return Written(label, "turned", (*numbers, 0))
        return Written(label, "box", numbers)

    def _box(self, box: HBB, width: int, height: int) -> tuple[float, ...]:
        """Round a box to units, at least one wide and high."""
        x0, x1 = self._span(box.x0, box.x1, width)
        y0, y1 = self._span(box.y0, box.y1, height)
        return (y0, x0, y1, x1) if self.y_first else (x0, y0, x1, y1)

    def _span(self, low: float, high: float, most: float) -> tuple[float, float]:
        least = 10.0**-self.decimals
        low, high = round(low, self.decimals), round(high, self.decimals)
        high = max(high, min(low + least, most))
        return min(low, high - least), high

    def _rounded(self, ring: Ring, width: int, height: int) -> Ring:
        return tuple(
            (
                round(_within(x, width), self.decimals),
                round(_within(y, height), self.decimals),
            )
            for x, y in ring
        )

    def _turned(self, box: OBB, window: Window, turned: Turned) -> tuple[float, ...]:
        picture = self._picture(window)
        seen = picture.to_view(box)
        width, height, angle = seen.long_edge, seen.short_edge, seen.angle
        if not turned.clockwise:
            angle = -angle
        if not turned.centre and angle < 0:  # such dialects write 0 to 90 degrees
            width, height, angle = height, width, angle + 90
        sx, sy = self._scales(picture, turned)
        cx, cy = seen.hbb.center
        least = 10.0**-self.decimals
        w, h = max(width * sx, least), max(height * sy, least)
        x, y = cx * sx, cy * sy
        sides = (x, y, w, h)
        if not turned.centre:
            x0, y0 = round(x - w / 2, self.decimals), round(y - h / 2, self.decimals)
            sides = (x0, y0, max(x + w / 2, x0 + least), max(y + h / 2, y0 + least))
        return tuple(round(n, self.decimals) for n in (*sides, angle))

    def _scales(self, picture: Window, turned: Turned) -> tuple[float, float]:
        """Return units per pixel of the picture, along x and y, of oriented boxes."""
        scale = turned.scale or self.scale
        if scale is None:
            return 1.0, 1.0
        return scale / picture.width, scale / picture.height

    # Reading

    def _read(self, item: Item, window: Window) -> Shape | None:
        """Return the shape of an item in raster pixels, None when it is not one."""
        numbers = item.numbers
        width, height = self.extent(window)
        if any(abs(number) > FAR * max(width, height, 360) for number in numbers):
            return None
        if len(numbers) == 5 and self.turned:
            return self._read_turned(numbers, window, self.turned)
        points = tuple(zip(numbers[::2], numbers[1::2], strict=False))
        shape: Shape | None
        if len(numbers) == 4 and item.keyword != "poly":
            if self.y_first:
                points = tuple((x, y) for y, x in points)
            (x0, x1), (y0, y1) = (sorted(axis) for axis in zip(*points, strict=True))
            shape = HBB(x0, y0, x1, y1).clip(width, height)
        elif len(numbers) == 8 and item.keyword != "poly":
            a, b, c, d = points
            shape = OBB((a, b, c, d))
        elif len(points) >= 3 and len(numbers) % 2 == 0:
            shape = Polygon(
                tuple((_within(x, width), _within(y, height)) for x, y in points)
            )
        else:
            return None
        if shape is None or not shape.area or not shape.hbb.clip(width, height):
            return None
        return self._units(window).to_raster(shape)

    def _read_turned(
        self, numbers: Sequence[float], window: Window, turned: Turned
    ) -> Shape | None:
        picture = self._picture(window)
        sx, sy = self._scales(picture, turned)
        a, b, c, d, angle = numbers
        if not turned.centre:
            (a, c), (b, d) = sorted((a, c)), sorted((b, d))
            a, b, c, d = (a + c) / 2, (b + d) / 2, c - a, d - b
        if min(c, d) <= 0:
            return None
        a, b, w, h = a / sx, b / sy, c / sx, d / sy
        if angle == 0:
            box = HBB(a - w / 2, b - h / 2, a + w / 2, b + h / 2)
            inside = box.clip(picture.width, picture.height)
            return picture.to_raster(inside) if inside else None
        seen = OBB.from_center(a, b, w, h, angle if turned.clockwise else -angle)
        in_view = seen.hbb.clip(picture.width, picture.height)
        return picture.to_raster(seen) if in_view else None

    def _cells(self, window: Window, rows: int = 0) -> tuple[int, int]:
        """Return columns and rows of a text mask of at least so many rows."""
        if self.mask_sides:
            side = next((n for n in self.mask_sides if n >= rows), self.mask_sides[-1])
            return side, side
        width, height = self.picture_size(window.width, window.height)
        cell = self.mask_cell or 1
        return max(1, width // cell), max(1, height // cell)

    def _read_mask(self, text: str, window: Window) -> Mask | None:
        columns, rows = self._cells(window, len(_ROW.findall(text)))
        grid = read_rows(text, rows, columns)
        mask = Window(window.box, columns, rows).to_raster(Mask.from_array(grid))
        return mask if mask.area else None


def _within(value: float, most: float) -> float:
    return min(max(value, 0), most)
