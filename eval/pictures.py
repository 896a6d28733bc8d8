"""Pictures of single samples, with what was meant and what was said drawn on them.

Each is one ``<svg>`` element that holds a small WebP of the image: outlines stay sharp,
and their words show when the pointer rests on them. The reference is always in one
colour and the answer in another, whatever their classes.
"""

import base64
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import RsvlmError
from rsvlm.eval.records import Prediction
from rsvlm.geometry import HBB, Mask
from rsvlm.outputs import RunLengths
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.samples import ImageRef, MaskRle, Sample

#: Colours of the reference and of the answer, in the page and in the pixels.
REFERENCE, ANSWER = "#00e5ff", "#ffd60a"
#: Longest side of a picture, px.
SIDE = 400
#: More outlines than this carry no words in the picture, only on hover.
MAX_TAGS = 8

_QUALITY = 70
_Ring = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Outline:
    """A shape to draw, in raster pixels.

    Attributes:
        ring: Its corners.
        words: What it is.
        said: Whether the model said it; else it is what was meant.
    """

    ring: _Ring
    words: str
    said: bool

    @property
    def bounds(self) -> HBB:
        """Smallest box around it."""
        xs, ys = zip(*self.ring, strict=True)
        return HBB(min(xs), min(ys), max(xs), max(ys))


def outlines(sample: Sample, prediction: Prediction | None) -> list[Outline]:
    """Return what was meant and what was said as outlines, without masks."""
    found = []
    for target in sample.targets:
        x0, y0, x1, y1 = target.hbb
        rings = target.polygons
        # What is compared: an outline when segmenting, else a box, turned or not.
        if not rings or (sample.task != "segment" and len(rings[0]) != 8):
            rings = ((x0, y0, x1, y0, x1, y1, x0, y1),)
        for values in rings:
            ring = tuple(zip(values[::2], values[1::2], strict=False))
            found.append(Outline(ring, target.label, False))
    for box in prediction.boxes if prediction else ():
        words = f"{box.label} {box.score:.2f}".strip()
        points = box.points
        if len(points) == 2:
            (x0, y0), (x1, y1) = points
            points = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        found.append(Outline(points, words, True))
    return [
        outline
        for outline in found
        if outline.ring and all(map(math.isfinite, sum(outline.ring, ())))
    ]


def picture(
    sample: Sample, prediction: Prediction | None, folder: Path, side: int = SIDE
) -> str:
    """Return the first image of a sample with what was meant and said.

    Small regions of a large image are shown in a part of it.

    Args:
        sample: What was asked.
        prediction: What was said; None: nothing.
        folder: Folder that the paths of images start from.
        side: Longest side, px.

    Returns:
        One HTML element: the picture, or a sentence that says why there is none.
    """
    ref = sample.images[0]
    shapes = outlines(sample, prediction)
    masks = [(rle, False) for rle in [sample.mask] if rle is not None]
    if prediction is not None and prediction.mask is not None:
        masks.append((prediction.mask, True))
    try:
        with Raster.open(folder / ref.path, sensor=ref.sensor) as raster:
            boxes = [shape.bounds for shape in shapes]
            boxes += [_as_mask(rle).hbb for rle, _ in masks]
            window = frame(raster.width, raster.height, boxes, side)
            scale = min(side / max(window.width, window.height), 2.0)
            width = max(1, round(window.width * scale))
            height = max(1, round(window.height * scale))
            view = raster.view(window, width, height)
        pixels = view.pixels
        for rle, said in masks:
            pixels = _tinted(pixels, view, _as_mask(rle), ANSWER if said else REFERENCE)
    except (RsvlmError, ValueError) as error:
        reason = html.escape(" ".join(str(error).split()))
        return f'<p class="missing">No picture: {reason}</p>'
    return _drawing(view, pixels, shapes, sample, ref)


def frame(width: int, height: int, boxes: Sequence[HBB], side: int = SIDE) -> HBB:
    """Return the part of an image to show: all of it, or around small regions.

    Args:
        width: Width of the image, px.
        height: Height of the image, px.
        boxes: What should be seen, in raster pixels.
        side: Longest side of the picture, px.
    """
    whole = HBB(0, 0, width, height)
    seen = [part for box in boxes if (part := box.clip(width, height))]
    if not seen or max(width, height) <= 2 * side:
        return whole
    x0, y0 = min(box.x0 for box in seen), min(box.y0 for box in seen)
    x1, y1 = max(box.x1 for box in seen), max(box.y1 for box in seen)
    # Room around the regions, and no part so small that its pixels become tiles.
    reach = max(1.8 * max(x1 - x0, y1 - y0), side / 2)
    if reach > 0.7 * max(width, height):
        return whole
    wide, high = min(reach, width), min(reach, height)
    left = min(max((x0 + x1 - wide) / 2, 0), width - wide)
    upper = min(max((y0 + y1 - high) / 2, 0), height - high)
    return HBB(left, upper, left + wide, upper + high)


def _drawing(
    view: View,
    pixels: NDArray[np.uint8],
    shapes: Sequence[Outline],
    sample: Sample,
    ref: ImageRef,
) -> str:
    height, width = pixels.shape[:2]
    place = view.window
    parts = [f'<image width="{width}" height="{height}" href="{_webp(pixels)}"/>']
    tagged = len(shapes) <= MAX_TAGS
    if sample.roi is not None:
        x0, y0, x1, y1 = sample.roi
        if x0 < x1 and y0 < y1:
            roi = place.to_view(HBB(x0, y0, x1, y1))
            parts.append(
                f'<rect x="{roi.x0:.1f}" y="{roi.y0:.1f}" width="{roi.width:.1f}" '
                f'height="{roi.height:.1f}" fill="none" stroke="#fff" '
                'stroke-dasharray="3 3"><title>where the answer can be seen</title>'
                "</rect>"
            )
    for shape in shapes:
        box = place.to_view(shape.bounds)
        sx, sy = place.scale
        points = " ".join(
            f"{(x - place.box.x0) / sx:.1f},{(y - place.box.y0) / sy:.1f}"
            for x, y in shape.ring
        )
        colour = ANSWER if shape.said else REFERENCE
        role = "answer" if shape.said else "reference"
        words = html.escape(f"{role}: {shape.words}".removesuffix(": "))
        # Dashes let a reference show through an answer that covers it.
        dashes = ' stroke-dasharray="7 4"' if shape.said else ""
        for ink, line in (("#000", 4), (colour, 2)):
            parts.append(
                f'<polygon points="{points}" fill="{colour}" fill-opacity="0" '
                f'stroke="{ink}" stroke-opacity="{1 if line == 2 else 0.5}" '
                f'stroke-width="{line}"{dashes}><title>{words}</title></polygon>'
            )
        if tagged and shape.words:
            y = box.y0 - 4 if not shape.said else box.y1 + 13
            parts.append(
                f'<text x="{min(max(box.x0, 2), width - 30):.1f}" '
                f'y="{min(max(y, 13), height - 3):.1f}" fill="{colour}" font-size="13" '
                'stroke="#000" stroke-width="2.5" paint-order="stroke">'
                f"{html.escape(shape.words)}</text>"
            )
    is_part = place.box != HBB(0, 0, ref.width, ref.height)
    shown = html.escape(f"{ref.path}, {ref.width} x {ref.height} px")
    note = f"{shown}; shown: {_place(place.box)}" if is_part else shown
    return (
        f'<svg class="picture" viewBox="0 0 {width} {height}" width="{width}" '
        f'role="img"><title>{shown}</title>{"".join(parts)}</svg>'
        f'<p class="file">{note}</p>'
    )


def _place(box: HBB) -> str:
    return f"{box.x0:.0f}, {box.y0:.0f} to {box.x1:.0f}, {box.y1:.0f}"


def _tinted(
    pixels: NDArray[np.uint8], view: View, mask: Mask, colour: str
) -> NDArray[np.uint8]:
    """Return pixels, shape (H, W, 3), with those of a mask mixed with a colour."""
    height, width = pixels.shape[:2]
    box, (sx, sy) = view.window.box, view.window.scale
    columns = np.floor(box.x0 + (np.arange(width) + 0.5) * sx).astype(int)
    rows = np.floor(box.y0 + (np.arange(height) + 0.5) * sy).astype(int)
    is_set = RunLengths(mask).at(rows, columns)
    ink = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.float64)
    mixed = pixels.astype(np.float64)
    mixed[is_set] = 0.55 * mixed[is_set] + 0.45 * ink
    return mixed.astype(np.uint8)


def _as_mask(rle: MaskRle) -> Mask:
    rows, columns = rle.size
    return Mask(rle.counts, rle.size, HBB(0, 0, columns, rows))


def _webp(pixels: NDArray[np.uint8]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", quality=_QUALITY)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
