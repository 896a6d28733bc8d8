"""Pictures of an answer: regions, labels, scale bar and words drawn on a view.

:func:`draw` gives pixels; :mod:`rsvlm.outputs` writes them, and the other files that
an answer can become.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rsvlm.geometry import HBB, OBB, Mask, Point, Polygon, Region, Shape, Window
from rsvlm.outputs import PALETTE, RunLengths, write_geojson, write_mask, write_png

__all__ = ["CROWD", "draw", "write_geojson", "write_mask", "write_png"]

Colour = tuple[int, int, int]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

#: More regions than this are drawn as outlines, with a legend in place of tags.
CROWD = 30

_BAND: Colour = (24, 26, 30)  # behind title, footer and legend
_INK: Colour = (240, 240, 240)
_MAX_LINES = 12


def draw(
    pixels: NDArray[np.uint8],
    regions: Sequence[Region],
    window: Window,
    title: str | None = None,
    *,
    footer: str | None = None,
    gsd: float | None = None,
    enlarge_to: int = 800,
) -> NDArray[np.uint8]:
    """Draw regions on a view.

    Up to ``CROWD`` regions get a tag with label and confidence each; more than that
    are outlined only and counted in a legend. Title, footer and legend stand in bands
    above and below the picture and hide nothing of it.

    Args:
        pixels: Colours of the view, shape (H, W, 3), uint8.
        regions: Regions in raster pixels; what lies outside the window is left out.
        window: Part of the raster that the view shows.
        title: Words above the picture.
        footer: Words below it, such as question and answer; line breaks are kept.
        gsd: Ground sample distance of the raster in m/px; draws a scale bar.
        enlarge_to: Longest side in pixels that a smaller view is enlarged to, so
            that tags stay readable; 0 keeps the size.

    Returns:
        The picture, shape (H', W', 3), uint8: as large as the view or enlarged, plus
        the bands.

    Raises:
        ValueError: If the pixels are not 8-bit RGB.

    .. versionadded:: 0.1
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"expected uint8 (H, W, 3), got {pixels.dtype} {pixels.shape}")
    picture = Image.fromarray(pixels)
    grow = max(1.0, enlarge_to / max(picture.size))
    if grow > 1:
        size = round(picture.width * grow), max(1, round(picture.height * grow))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    frame = HBB(0, 0, *picture.size)
    place = Window(window.box, *picture.size)
    seen = [r for r in regions if _drawn_box(r.shape, place).intersection(frame)]
    colours = _colours(seen)
    crowded = len(seen) > CROWD
    picture = _with_shapes(picture, seen, window.box, colours, crowded)
    font = ImageFont.load_default(min(max(max(picture.size) / 56, 12), 36))
    pen = ImageDraw.Draw(picture, "RGBA")
    taken = []
    if gsd:
        taken += _scale_bar(pen, frame, gsd * place.scale[0], font)
    if not crowded:
        _tags(pen, seen, place, colours, font, taken)
    return np.asarray(
        _with_bands(picture, title, footer, seen if crowded else (), colours, font)
    )


def _colours(regions: Sequence[Region]) -> dict[str, Colour]:
    labels = sorted({region.label for region in regions})
    return {label: PALETTE[i % len(PALETTE)] for i, label in enumerate(labels)}


def _drawn_box(shape: Shape, place: Window) -> HBB:
    """Return the box of a shape in drawn pixels, at least one pixel large."""
    box = place.to_view(shape.hbb)
    return HBB(box.x0, box.y0, max(box.x1, box.x0 + 1), max(box.y1, box.y0 + 1))


def _with_shapes(
    picture: Image.Image,
    regions: Sequence[Region],
    box: HBB,
    colours: dict[str, Colour],
    crowded: bool,
) -> Image.Image:
    """Blend fills and outlines into the picture."""
    # Twice the size, then reduced: smooth slanted lines. Not worth it when huge.
    fine = 2 if picture.width * picture.height <= 4_000_000 else 1
    place = Window(box, picture.width * fine, picture.height * fine)
    line = fine * max(2, round(max(picture.size) / (550 if crowded else 400)))
    layer = Image.new("RGBA", (place.width, place.height))
    by_size = sorted(regions, key=lambda region: -region.shape.hbb.area)
    covers = [_cover(region.shape, place) for region in by_size]
    if not crowded:
        for region, (cover, corner) in zip(by_size, covers, strict=True):
            if region.shape.kind in ("polygon", "mask"):
                layer.paste((*colours[region.label], 80), corner, cover)
    pen = ImageDraw.Draw(layer)
    for region, (cover, corner) in zip(by_size, covers, strict=True):
        # A dark rim keeps the colour visible on ground of the same colour.
        for ink, width in (((0, 0, 0, 150), line + 2 * fine), (None, line)):
            paint = ink or (*colours[region.label], 255)
            if isinstance(region.shape, Mask):
                layer.paste(paint, corner, _edge(cover, width))
                continue
            for ring in _rings(region.shape, place, line / 2):
                pen.line([*ring, *ring[:2]], paint, width, joint="curve")
    layer = layer.resize(picture.size, Image.Resampling.BOX)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def _rings(shape: Shape, place: Window, inset: float) -> list[list[Point]]:
    """Return the outlines of a shape in drawn pixels."""
    if isinstance(shape, HBB):
        # Kept inside by half a line, so that a box around everything is seen.
        box = place.to_view(shape)
        right, bottom = place.width - inset, place.height - inset
        xs = [min(max(x, inset), right) for x in (box.x0, box.x1)]
        ys = [min(max(y, inset), bottom) for y in (box.y0, box.y1)]
        return [list(HBB(xs[0], ys[0], xs[1], ys[1]).corners)]
    if isinstance(shape, Mask):
        return []
    drawn = place.to_view(shape)
    holes = drawn.holes if isinstance(drawn, Polygon) else ()
    return [list(ring) for ring in (drawn.corners, *holes)]


def _cover(shape: Shape, place: Window) -> tuple[Image.Image, tuple[int, int]]:
    """Return which drawn pixels a shape covers, as 0 or 255, and their corner.

    The picture reaches a little beyond the shape, so that its edge can be found.
    """
    box = _drawn_box(shape, place)
    margin = 16
    x0, y0 = max(int(box.x0) - margin, 0), max(int(box.y0) - margin, 0)
    x1 = min(int(box.x1) + margin, place.width)
    y1 = min(int(box.y1) + margin, place.height)
    if isinstance(shape, Mask):
        sx, sy = place.scale
        columns = np.floor(place.box.x0 + (np.arange(x0, x1) + 0.5) * sx).astype(int)
        rows = np.floor(place.box.y0 + (np.arange(y0, y1) + 0.5) * sy).astype(int)
        pixels = RunLengths(shape).at(rows, columns)
        return Image.fromarray(pixels.astype(np.uint8) * 255), (x0, y0)
    cover = Image.new("L", (max(x1 - x0, 1), max(y1 - y0, 1)))
    pen = ImageDraw.Draw(cover)
    for index, ring in enumerate(_rings(shape, place, 0)):
        pen.polygon([(x - x0, y - y0) for x, y in ring], fill=0 if index else 255)
    return cover, (x0, y0)


def _edge(cover: Image.Image, width: int) -> Image.Image:
    """Return the pixels along the inside of a mask's border, and one outside."""
    pixels = np.asarray(cover)
    inner = 255 - _grown(255 - pixels, width // 2)
    return Image.fromarray(_grown(pixels, 1) - inner)


def _grown(pixels: NDArray[np.uint8], reach: int) -> NDArray[np.uint8]:
    """Return the maximum over squares of ``2 * reach + 1`` pixels, shape (H, W)."""
    for _ in range(2):  # columns, then rows: a square falls apart into lines
        out = pixels.copy()
        for step in range(1, reach + 1):
            np.maximum(out[step:], pixels[:-step], out=out[step:])
            np.maximum(out[:-step], pixels[step:], out=out[:-step])
        pixels = out.T
    return pixels


def _tags(
    pen: ImageDraw.ImageDraw,
    regions: Sequence[Region],
    place: Window,
    colours: dict[str, Colour],
    font: _Font,
    taken: list[HBB],
) -> None:
    """Write label and confidence beside each region, the surest one first."""
    frame = HBB(0, 0, place.width, place.height)
    boxes = {id(region): _drawn_box(region.shape, place) for region in regions}
    for region in sorted(regions, key=lambda region: -region.confidence):
        colour = colours[region.label]
        text = _fit(f"{_line(region.label)} {region.confidence:.2f}", font, frame.width)
        width, height = _extent(text, font)
        box = boxes[id(region)].clip(frame.width, frame.height) or frame
        others = [other for key, other in boxes.items() if key != id(region)]
        spots = []
        for x, y in _anchors(region.shape, place, box, width, height):
            x = round(max(min(x, frame.width - width), 0))
            y = round(max(min(y, frame.height - height), 0))
            spots.append(HBB(x, y, x + width, y + height))
        costs = [
            10 * sum(spot.intersection(tag) for tag in taken)
            + sum(spot.intersection(other) for other in others)
            + 0.5 * spot.intersection(box)
            + 0.05 * spot.area * rank
            for rank, spot in enumerate(spots)
        ]
        spot = spots[costs.index(min(costs))]
        taken.append(spot)
        dark = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] < 140
        pen.rectangle((spot.x0, spot.y0, spot.x1 - 1, spot.y1 - 1), (*colour, 230))
        middle = (spot.center[0], spot.center[1])
        pen.text(middle, text, (255,) * 3 if dark else (0,) * 3, font, anchor="mm")


def _anchors(
    shape: Shape, place: Window, box: HBB, width: int, height: int
) -> list[Point]:
    """Return top-left corners for a tag of this size, the best place first."""
    left, right = box.x0 - width, box.x1 - width
    above, low = box.y0 - height, box.y1 - height
    anchors = [(box.x0, above), (box.x0, box.y1), (right, above), (right, box.y1)]
    anchors += [(box.x1, box.y0), (left, box.y0), (box.x1, low), (left, low)]
    if isinstance(shape, OBB | Polygon):
        # Beside a tip rather than at an empty corner of the box around it.
        tips = place.to_view(shape).corners
        (top_x, top), (end_x, end) = (f(tips, key=lambda p: p[1]) for f in (min, max))
        if top >= box.y0 and box.x0 <= top_x <= box.x1:
            anchors.insert(0, (top_x - width / 2, top - height))
        if end <= box.y1 and box.x0 <= end_x <= box.x1:
            anchors.insert(1, (end_x - width / 2, end))
    return [*anchors, (box.x0, box.y0)]


def _scale_bar(
    pen: ImageDraw.ImageDraw, frame: HBB, metres: float, font: _Font
) -> list[HBB]:
    """Draw a bar of a round length; ``metres`` is that of one drawn pixel.

    Returns:
        The place it took, or nothing where the picture is too small for it.
    """
    width, height = frame.width, frame.height
    length = _round_length(metres * width / 4)
    bar, text = length / metres, _length_text(length)
    text_width, text_height = _extent(text, font)
    pad = text_height / 3
    plate = HBB(0, 0, max(bar, text_width) + 2 * pad, text_height + 2 * pad).scale(
        1, 1, pad, height - text_height - 3 * pad
    )
    if plate.y0 < height / 2 or plate.x1 > width:
        return []
    pen.rectangle((plate.x0, plate.y0, plate.x1, plate.y1), (*_BAND, 170))
    x, y = plate.x0 + pad, plate.y1 - pad
    pen.text((x, plate.y0 + text_height / 2), text, _INK, font, anchor="lm")
    tick = text_height / 4
    pen.line([(x, y - tick), (x, y), (x + bar, y), (x + bar, y - tick)], _INK, 2)
    return [plate]


def _round_length(longest: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is not longer."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(step for step in (1, 2, 5) if step * power <= longest) * power)


def _length_text(metres: float) -> str:
    if metres >= 1000:
        return f"{metres / 1000:g} km"
    return f"{metres:g} m" if metres >= 1 else f"{metres * 100:g} cm"


def _with_bands(
    picture: Image.Image,
    title: str | None,
    footer: str | None,
    counted: Sequence[Region],
    colours: dict[str, Colour],
    font: _Font,
) -> Image.Image:
    """Add title, legend and footer above and below the picture."""
    line = _extent("X", font)[1]
    pad = line // 2
    inner = picture.width - 2 * pad
    above = _wrap(title or "", font, inner)
    below = _wrap(footer or "", font, inner)
    entries = _legend(counted, colours, font, inner, line)
    rows = 1 + max((row for row, *_ in entries), default=-1)
    top = len(above) * line + pad if above else 0
    bottom = (rows + len(below)) * line + pad if rows or below else 0
    out = Image.new("RGB", (picture.width, top + picture.height + bottom), _BAND)
    out.paste(picture, (0, top))
    pen = ImageDraw.Draw(out)
    y = top + picture.height + pad // 2
    for row, x, colour, text in entries:
        middle, box = y + row * line + line / 2, line * 0.28
        edge = (pad + x, middle - box, pad + x + 2 * box, middle + box)
        pen.rectangle(edge, colour)
        pen.text((pad + x + 3 * box, middle), text, _INK, font, anchor="lm")
    for lines, start in ((above, pad // 2), (below, y + rows * line)):
        for index, text in enumerate(lines):
            middle = start + index * line + line / 2
            pen.text((pad, middle), text, _INK, font, anchor="lm")
    return out


def _legend(
    regions: Sequence[Region],
    colours: dict[str, Colour],
    font: _Font,
    width: float,
    line: int,
) -> list[tuple[int, float, Colour, str]]:
    """Return row, x in pixels, colour and text of each label, the commonest first."""
    entries, row, x = [], 0, 0.0
    for label, count in Counter(region.label for region in regions).most_common():
        text = _fit(f"{_line(label) or 'region'}: {count}", font, width - line)
        needed = _extent(text, font)[0] + line
        if x and x + needed > width:
            row, x = row + 1, 0.0
        if row >= _MAX_LINES:
            break
        entries.append((row, x, colours[label], text))
        x += needed
    return entries


def _extent(text: str, font: _Font) -> tuple[int, int]:
    """Return width and height in pixels of a line of text with some air around it."""
    box = font.getbbox("Xg")
    height = box[3] - box[1]
    return round(font.getlength(text) + height * 0.5), round(height * 1.35)


def _line(text: str) -> str:
    return " ".join(text.split())


def _fit(text: str, font: _Font, width: float) -> str:
    """Return the text, cut where it is wider than ``width`` pixels."""
    text = text.strip()
    if len(text) <= width and _extent(text, font)[0] <= width:
        return text
    # A letter is about a pixel wide at least, so nobody waits for a long text.
    text = text[: int(width)]
    while text and _extent(f"{text}...", font)[0] > width:
        text = text[: len(text) * 9 // 10]
    return f"{text}..."


def _wrap(text: str, font: _Font, width: float) -> list[str]:
    """Break a text into lines of at most ``width`` pixels, at spaces if it can."""
    lines = list(islice(_lines(text, font, width), _MAX_LINES + 1))
    if len(lines) > _MAX_LINES:
        lines = [*lines[: _MAX_LINES - 1], _fit(f"{lines[-2]}...", font, width)]
    return lines


def _lines(text: str, font: _Font, width: float) -> Iterator[str]:
    letters = max(1, int(width / font.getlength("W")))  # fit whatever they are
    for paragraph in text.splitlines():
        current = ""
        for word in paragraph.split():
            joined = f"{current} {word}".strip()
            if len(word) <= width and font.getlength(joined) <= width:
                current = joined
                continue
            if current:
                yield current
            while len(word) > letters and (
                len(word) > width or font.getlength(word) > width
            ):
                yield word[:letters]
                word = word[letters:]
            current = word
        if current:
            yield current
