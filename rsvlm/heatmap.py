"""The way to an answer, drawn on the overview: how tiles scored, and where it zoomed in.

Everything comes from the trace of the answer, so that a picture can be drawn of an
answer that was read from a file as well.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from rsvlm.answer_parts import TraceStep
from rsvlm.geometry import HBB, Window

#: Colour of low, middling and high scores, and how strongly they cover the picture.
RAMP = ((20, 20, 80), (220, 60, 60), (255, 240, 120))
COVER = (0.0, 0.25, 0.5)
#: Colour of the windows that were looked at.
ZOOMED = (80, 255, 220)


def draw_zoom(
    pixels: NDArray[np.uint8],
    trace: Iterable[TraceStep],
    window: Window,
    image: int = 0,
) -> NDArray[np.uint8]:
    """Draw the scores of tiles and the windows that were zoomed into.

    Args:
        pixels: Colours of a view, shape (H, W, 3), uint8.
        trace: Steps of an answer.
        window: What of the raster the view shows.
        image: Index of that raster.

    Returns:
        Shape (H, W, 3); the pixels themselves where nothing was zoomed into.
    """
    steps = [step for step in trace if step.image == image and step.window]
    picture = Image.fromarray(pixels)
    for step in steps:
        if step.scores and step.window:
            place = window.to_view(HBB(*step.window))
            picture = _with_scores(picture, step.scores, place)
    zooms = [step for step in steps if step.step == "zoom"]
    if not zooms:
        return np.asarray(picture)
    pen = ImageDraw.Draw(picture)
    line = max(2, max(picture.size) // 400)
    height = max(12, max(picture.size) // 50)
    font = ImageFont.load_default(height)
    for number, step in enumerate(zooms, start=1):
        assert step.window is not None
        box = window.to_view(HBB(*step.window))
        # At least so large that it is seen: 512 px of 32,768 are a few here.
        grown = max(0.0, 4 * line - box.width / 2)
        edge = (box.x0 - grown, box.y0 - grown, box.x1 + grown, box.y1 + grown)
        pen.rectangle(edge, outline=(0, 0, 0), width=line + 2)
        pen.rectangle(edge, outline=ZOOMED, width=line)
        text = f"{number}" if step.score is None else f"{number}: {step.score:.2f}"
        # Above the window, or inside where there is no room above.
        is_high = edge[1] < height + 4
        at = (
            max(edge[0], 0.0) + (line + 4 if is_high else 0),
            max(edge[1], 0.0) + (line + 4 if is_high else -2),
        )
        anchor = "lt" if is_high else "ls"
        pen.text(at, text, ZOOMED, font, anchor, stroke_width=2, stroke_fill=(0, 0, 0))
    return np.asarray(picture)


def _with_scores(
    picture: Image.Image, scores: Sequence[Sequence[float]], place: HBB
) -> Image.Image:
    """Blend a grid of scores over a part of a picture, the high ones stronger."""
    values = np.asarray(scores, float)
    low, high = np.median(values), values.max()
    share = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    levels = np.linspace(0, 1, len(RAMP))
    channels = [np.interp(share, levels, [c[i] for c in RAMP]) for i in range(3)]
    channels.append(255 * np.interp(share, levels, COVER))
    layer = Image.fromarray(np.stack(channels, -1).round().astype(np.uint8), "RGBA")
    size = (max(1, round(place.width)), max(1, round(place.height)))
    layer = layer.resize(size, Image.Resampling.NEAREST)
    whole = Image.new("RGBA", picture.size)
    whole.paste(layer, (round(place.x0), round(place.y0)))
    return Image.alpha_composite(picture.convert("RGBA"), whole).convert("RGB")
