"""Result files of ImageRAG on the remote-sensing part of MME-RealWorld.

Letters of five options, with the trace of the retrieval: the parts of the image that
were looked at (``visual_cue``, 0-1000) and where the answer stands (``gt_toi``, pixels
of the original).

Source:
    https://github.com/om-ai-lab/ImageRAG, ``imagerag_result``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsvlm.errors import ParseError
from rsvlm.eval.formats.foreign import (
    Foreign,
    counted,
    fresh,
    make_prediction,
    make_sample,
    repeated,
)
from rsvlm.eval.formats.protocols import for_letters
from rsvlm.eval.formats.rows import Row, is_number, list_of, load_rows, text_of
from rsvlm.samples import Sample

_CHOICE = re.compile(r"\s*\(?(?P<letter>[A-Z])\s*[).:]\s*(?P<text>.*?)\s*\Z", re.DOTALL)
_TRACE = (
    "target_of_interest",
    "visual_cue",
    "visual_cue_confidence",
    "imagerag_summary",
    "path_T",
    "lrsd_T",
    "crsd_T",
    "patch_method",
    "fast_vlm_model_name",
)

Rect = tuple[float, float, float, float]


def read(path: Path, samples: Mapping[str, Sample] | None = None) -> Foreign:
    """Read a result file of ImageRAG.

    Args:
        path: JSONL file, or a JSON list.
        samples: Not needed: the file holds its references.

    Raises:
        ParseError: If a key is missing, an option has no letter, or the reference is
            no letter of an option.
    """
    del samples
    found = load_rows(path)
    seen: dict[str, int] = {}
    asked, predictions = [], []
    coverage: list[float] = []
    several = retrieved = 0
    for row in found.rows:
        id = fresh(row.text("Question_id"), seen)
        letters, options = _options(row)
        accepted = _accepted(row, letters)
        several += len(accepted) > 1
        size = _size(row)
        region = _rect(row.get("gt_toi"))
        if size and region and (cues := _cues(row, size)):
            coverage.append(covered(region, cues))
        retrieved += bool(list_of(row.get("visual_cue")))
        used = ("Question_id", "Image", "Text", "Answer choices", "Ground truth",
                "gt_toi", "img_size", "output", *_TRACE)  # fmt: skip
        asked.append(
            make_sample(
                id,
                "vqa",
                "mme-realworld-rs",
                image=row.text("Image"),
                size=size,
                question=row.text("Text"),
                answers=accepted,
                options=options,
                type=row.text("Category"),
                roi=region,
                meta=row.rest(*used) | {"path": _path(row)},
            )
        )
        trace = {key: row.get(key) for key in _TRACE if key in row}
        predictions.append(
            make_prediction(id, row.text("output"), trace=(trace,) if trace else ())
        )
    notes = [*found.notes, *repeated(seen)]
    if several:
        notes.append(f"{counted(several, 'question')} with several accepted letters.")
    if any("visual_cue" in row for row in found.rows):
        notes.append(_retrieval(retrieved, len(found.rows), coverage))
    return Foreign(
        tuple(asked),
        tuple(predictions),
        for_letters(asked),
        tuple(notes),
        group_by=("type", "path") if retrieved else ("type",),
    )


def covered(region: Rect, cues: list[Rect]) -> float:
    """Return the share of a region that lies in the union of rectangles, in [0, 1].

    >>> covered((0, 0, 10, 10), [(0, 0, 5, 10), (0, 0, 10, 5)])
    0.75
    """
    import shapely

    target = shapely.box(*region)
    if not target.area:
        return 0.0
    union = shapely.union_all([shapely.box(*cue) for cue in cues])
    return float(target.intersection(union).area / target.area)


def _retrieval(retrieved: int, total: int, coverage: list[float]) -> str:
    line = f"Retrieval: visual cues for {retrieved} of {total} questions"
    if not coverage:
        return f"{line}."
    mean = sum(coverage) / len(coverage)
    whole = sum(share >= 0.5 for share in coverage)
    return (
        f"{line}. Where there are cues, they cover {mean:.1%} of the region of the "
        f"answer on average, and half of it or more in {whole} of {len(coverage)}."
    )


def _options(row: Row) -> tuple[list[str], list[str]]:
    """Return letters and texts of the options."""
    letters, texts = [], []
    for choice in list_of(row.get("Answer choices")) or []:
        match = _CHOICE.match(str(choice))
        if match is None:
            raise ParseError(
                f"{row.where}: the option {str(choice)[:40]!r} has no letter. "
                "Write options as '(A) text'."
            )
        letters.append(match["letter"])
        texts.append(match["text"])
    expected = [chr(ord("A") + place) for place in range(len(letters))]
    if not letters or letters != expected:
        raise ParseError(
            f"{row.where}: the options have the letters {letters}, not A, B, .. in "
            "order. Sort 'Answer choices'."
        )
    return letters, texts


def _accepted(row: Row, letters: list[str]) -> list[str]:
    """Return the accepted letters: one, or a list."""
    truth = row.get("Ground truth")
    listed = list_of(truth)
    values = listed if listed is not None else [row.text("Ground truth")]
    accepted = [text_of(value).strip(" ().").upper() for value in values]
    if not accepted or not set(accepted) <= set(letters):
        raise ParseError(
            f"{row.where}: 'Ground truth' is {truth!r}, no letter of the options "
            f"{letters}. Correct the record."
        )
    return accepted


def _path(row: Row) -> str:
    """Return the way the question took through the retrieval."""
    steps = list_of(row.get("imagerag_summary"))
    return text_of(steps[-1]) if steps else "none"


def _size(row: Row) -> tuple[int, int] | None:
    size = list_of(row.get("img_size"))
    if not size or len(size) != 2 or not all(is_number(n) and n >= 1 for n in size):
        return None
    return int(size[0]), int(size[1])


def _rect(value: Any) -> Rect | None:
    numbers = list_of(value)
    if not numbers or len(numbers) != 4 or not all(map(is_number, numbers)):
        return None
    x0, x1 = sorted((float(numbers[0]), float(numbers[2])))
    y0, y1 = sorted((float(numbers[1]), float(numbers[3])))
    return x0, y0, x1, y1


def _cues(row: Row, size: tuple[int, int]) -> list[Rect]:
    """Return the cues in pixels of the original."""
    sx, sy = size[0] / 1000, size[1] / 1000
    rects = [_rect(cue) for cue in list_of(row.get("visual_cue")) or []]
    return [
        (rect[0] * sx, rect[1] * sy, rect[2] * sx, rect[3] * sy)
        for rect in rects
        if rect is not None
    ]
