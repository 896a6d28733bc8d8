"""From what a model said to a prediction: the text that was read, boxes, a mask.

An rsvlm answer brings its regions in raster pixels. The text of any other model is read
in the numbers that were declared for it; where nothing is declared, no boxes are read
and that is an error, since a guess would be scored as if it were known.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from rsvlm.answer import Answer
from rsvlm.codec import Codec
from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.benchmark import Benchmark, Coords
from rsvlm.eval.boxes_text import check_coords, read_boxes
from rsvlm.eval.records import Box, Prediction, Status
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, Shape, Window
from rsvlm.messages import Generation
from rsvlm.samples import ImageRef, MaskRle, Sample

#: Tasks whose replies are places in the image.
PLACES = frozenset({"ground", "ground_multi", "detect", "segment"})

_YES_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_THINKING = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)


def _text(text: str) -> str:
    return text.strip()


def _short_answer(text: str) -> str:
    """Return the first line that says something; a leading yes or no by itself."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return _yes_no(lines[0]) if lines else ""


def _yes_no(text: str) -> str:
    found = _YES_NO.match(text)
    return found[1].lower() if found else text.strip()


#: How the text of a reply is read, by the word ``parse`` of a benchmark. Finer reading,
#: such as that of option letters, is the metrics' own.
READERS: dict[str, Callable[[str], str]] = {
    "text": _text,
    "short_answer": _short_answer,
    "yes_no": _yes_no,
    "letter": _text,
    "boxes": _text,
}


def reader(name: str) -> Callable[[str], str]:
    """Return the reader of that name.

    Raises:
        UnknownNameError: If there is none.
    """
    if name not in READERS:
        raise UnknownNameError("parse", name, READERS)
    return READERS[name]


def from_answer(
    benchmark: Benchmark, sample: Sample, answer: Answer, raw: str = ""
) -> Prediction:
    """Return the prediction that an rsvlm answer makes.

    An abstention is a reply without an answer: it is read as the empty text.

    Args:
        benchmark: What was asked.
        sample: The question.
        answer: The answer.
        raw: What the language model itself wrote.
    """
    text = "" if answer.abstained else reader(benchmark.parse)(answer.text)
    if benchmark.task == "count" and answer.count is not None and not answer.abstained:
        text = str(answer.count)
    fields: dict[str, Any] = {"parser": benchmark.parse}
    if benchmark.task in PLACES:
        regions = answer.to_regions(0)
        places = _places(benchmark, sample.images[0], regions)
        fields = {"parser": "regions", "coord_space": "answer", **places}
    shown = [{"id": item.id, "source": item.source} for item in answer.evidence]
    return Prediction(
        id=sample.id,
        raw=raw,
        parsed=text,
        status="ok",
        meta={"evidence": shown} if shown else {},  # citations are scored by it
        confidence=answer.confidence,
        abstained=answer.abstained,
        trace=tuple(step.model_dump(exclude_none=True) for step in answer.trace),
        **fields,
    )


def from_generation(
    benchmark: Benchmark,
    sample: Sample,
    generation: Generation,
    *,
    coords: Coords | None = None,
    codec: Codec | None = None,
    sent: Sequence[tuple[int, int]] = (),
) -> Prediction:
    """Return the prediction that a model's text makes.

    Args:
        benchmark: What was asked.
        sample: The question.
        generation: The reply.
        coords: In which numbers boxes are written.
        codec: Dialect of the model, where no numbers are declared.
        sent: Width and height of each picture that it saw, px.

    Raises:
        SettingsError: If the task needs boxes and neither numbers nor dialect are
            declared.
    """
    raw = generation.text
    body = _THINKING.sub("", raw)
    fields: dict[str, Any] = {"parser": benchmark.parse}
    how = how_boxes_are_read(benchmark, coords, codec)
    if how is not None:
        size = sent[0] if sent else None
        fields = _read_places(benchmark, sample.images[0], body, how, size)
    return Prediction(
        id=sample.id,
        raw=raw,
        parsed=reader(benchmark.parse)(body),
        status=_status(generation),
        confidence=confidence_of(generation),
        logprob=generation.mean_logprob,
        **fields,
    )


def how_boxes_are_read(
    benchmark: Benchmark, coords: Coords | None, codec: Codec | None
) -> Coords | Codec | None:
    """Return the numbers or the dialect that boxes of a text model are read in.

    Called before the first question, so that a run does not end in a file of boxes
    whose meaning nobody knows.

    Args:
        benchmark: What is asked; its own declaration stands where none is given.
        coords: Given by the user.
        codec: Dialect that the model is known to write.

    Returns:
        What the user says, else the benchmark, else the dialect; None for a task
        without boxes.

    Raises:
        SettingsError: If the task needs boxes and nothing is declared, or the
            declaration leaves open what a number means.
    """
    if benchmark.task not in PLACES:
        return None
    chosen = text_coords(benchmark, coords)
    if chosen is not None:
        check_coords(chosen)
        return chosen
    if codec is not None:
        return codec
    raise SettingsError(
        f"The benchmark {benchmark.name} needs boxes, and it is not known in which "
        "numbers this model writes them. Say it, for example with --coords norm1000."
    )


def text_coords(benchmark: Benchmark, coords: Coords | None) -> Coords | None:
    """Return the numbers declared for text: those given, else the benchmark's own."""
    if coords is not None:
        return coords
    own = benchmark.coords
    return own if own is not None and own.space != "answer" else None


def _read_places(
    benchmark: Benchmark,
    image: ImageRef,
    text: str,
    how: Coords | Codec,
    sent: tuple[int, int] | None,
) -> dict[str, Any]:
    """Return the fields of a prediction that hold the places of a text."""
    if isinstance(how, Coords):
        boxes = read_boxes(text, how, image, sent)
        fields: dict[str, Any] = {"boxes": boxes}
        if benchmark.task == "segment":
            fields["mask"] = union_mask([_shape(box) for box in boxes], image)
        return {"parser": how.box, "coord_space": how.space, **fields}
    width, height = sent or (image.width, image.height)
    window = Window.whole(image.width, image.height, width, height)
    fields = _places(benchmark, image, how.parse(text, window))
    return {"parser": how.name, "coord_space": f"dialect {how.name}", **fields}


def _places(
    benchmark: Benchmark, image: ImageRef, regions: Sequence[Region]
) -> dict[str, Any]:
    """Return boxes, and the mask where one is asked for, of regions of an image."""
    fields: dict[str, Any] = {"boxes": tuple(_box(region) for region in regions)}
    if benchmark.task == "segment":
        fields["mask"] = union_mask([region.shape for region in regions], image)
    return fields


def _box(region: Region) -> Box:
    shape = region.shape
    box = shape.hbb
    points: tuple[tuple[float, float], ...] = ((box.x0, box.y0), (box.x1, box.y1))
    if isinstance(shape, OBB):
        points = shape.corners
    return Box(points=points, label=region.label, score=region.confidence)


def _shape(box: Box) -> Shape:
    if len(box.points) == 2:
        (x0, y0), (x1, y1) = box.points
        return HBB(x0, y0, x1, y1)
    return Polygon(box.points)


def union_mask(shapes: Sequence[Shape], image: ImageRef) -> MaskRle | None:
    """Return the pixels that any shape covers, over the whole image.

    A pixel belongs to an outline when its centre does.

    Returns:
        The mask; None where no pixel is covered.
    """
    import numpy as np
    from rasterio.features import rasterize

    whole = np.zeros((image.height, image.width), dtype=bool)
    outlines = []
    for shape in shapes:
        if isinstance(shape, Mask):
            _paste(whole, shape)
        elif shape.area:
            outlines.append(shape.to_shapely())
    if outlines:
        drawn = rasterize(outlines, out_shape=whole.shape, dtype="uint8")
        whole |= drawn.astype(bool)
    if not whole.any():
        return None
    code = Mask.from_array(whole)
    return MaskRle(size=code.size, counts=code.counts)


def _paste(whole: Any, mask: Mask) -> None:
    """Set the pixels of a mask; what of its window lies outside is left out."""
    height, width = whole.shape
    left, top = int(mask.window.x0), int(mask.window.y0)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(int(mask.window.x1), width), min(int(mask.window.y1), height)
    if x0 < x1 and y0 < y1:
        part = mask.to_array()[y0 - top : y1 - top, x0 - left : x1 - left]
        whole[y0:y1, x0:x1] |= part


def _status(generation: Generation) -> Status:
    if generation.finish_reason == "content_filter":
        return "refused"
    if not generation.text.strip():
        return "empty"
    return "truncated" if generation.finish_reason == "length" else "ok"


def confidence_of(generation: Generation) -> float | None:
    """Return the geometric mean probability of the tokens, None where unknown."""
    mean = generation.mean_logprob
    return None if mean is None else min(math.exp(mean), 1.0)
