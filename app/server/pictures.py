"""Pictures of answers as PNG bytes, made from views that we drew ourselves."""

import io

from rsvlm.answer import Answer
from rsvlm.heatmap import draw_zoom
from rsvlm.overlay import draw
from rsvlm.raster import Raster

#: Longest side of an overlay, px.
SIDE = 1280


def overlay_png(answer: Answer, raster: Raster, image: int) -> bytes:
    """Return an image with the regions of an answer drawn on it, as a PNG file.

    Args:
        answer: The answer.
        raster: The image, open.
        image: Its place among the images of the question.
    """
    from PIL import Image

    view = raster.preview(max_side=SIDE, image=image)
    pixels = draw_zoom(view.pixels, answer.trace, view.window, image)
    footer = f"{answer.question}\n{answer.text}"
    regions = answer.to_regions(image)
    picture = draw(pixels, regions, view.window, footer=footer, gsd=raster.gsd)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=3)
    return file.getvalue()
