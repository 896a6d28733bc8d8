"""RRSIS-D: referring segmentation, in the form of the ``refer`` tools.

``rrsisd/refs(unc).p`` is a pickled list of ``{"ref_id", "image_id", "ann_id", "split",
"file_name", "sentences": [{"raw", "sent"}]}``, ``rrsisd/instances.json`` a COCO file
with run-length masks; images lie in ``images/rrsisd/JPEGImages``. The pickle is read by
:mod:`rsvlm.eval.convert.unpickle`, which runs nothing of it.

Upstream scores ``sentences[0]`` only; further sentences are kept in ``meta``.

Source:
    Liu et al., "Rotated Multi-Scale Interaction Network for Referring Remote Sensing
    Image Segmentation", CVPR 2024; code Lsan2401/RMSIN.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rsvlm.errors import ParseError
from rsvlm.eval.convert.images import Images
from rsvlm.eval.convert.unpickle import read_pickle
from rsvlm.eval.convert.upstream import (
    Fields,
    as_fields,
    asked,
    entries,
    found,
    only,
    read_json,
    split_named,
)
from rsvlm.geometry import HBB, Mask
from rsvlm.samples import MaskRle, Sample

SOURCE = "rrsis-d"
LICENCE = "no terms stated upstream; images of DIOR (Google Earth), research only"


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample a reference.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    path = only(found(root, "refs(unc).p"))
    coco = path.with_name("instances.json")
    whole = as_fields(read_json(coco), coco.name)
    masks = {entry.text("id"): entry for entry in whole.objects("annotations")}
    names = {
        entry.text("id"): entry.text("file_name") for entry in whole.objects("images")
    }
    classes = {
        entry.text("id"): entry.text("name") for entry in whole.objects("categories")
    }
    images = Images(root, "images/rrsisd/JPEGImages", "JPEGImages", "images")
    for entry in entries(read_pickle(path), path.name):
        yield _sample(entry, masks, names, classes, images)


def _sample(
    entry: Fields,
    masks: Mapping[str, Fields],
    names: Mapping[str, str],
    classes: Mapping[str, str],
    images: Images,
) -> Sample:
    number = entry.text("image_id")
    if number not in names:
        raise entry.fault("'image_id'", f"{number!r} is not in instances.json")
    image = images.ref(names[number], entry.where)
    annotation = masks.get(entry.text("ann_id"))
    if annotation is None:
        raise entry.fault("'ann_id'", "is not in instances.json")
    size = (image.height, image.width)
    label = classes.get(annotation.text("category_id"), "object")
    first, *others = (
        sentence.text("raw", "sent") for sentence in entry.objects("sentences")
    )
    return Sample(
        id=f"{SOURCE}/{entry.text('ref_id')}",
        images=(image,),
        task="segment",
        conversation=asked(first),
        mask=mask_of(annotation.raw("segmentation"), size, annotation),
        type=label,
        source=SOURCE,
        licence=LICENCE,
        split=split_named(entry.text("split"), entry.where),
        meta={"other_sentences": others} if others else {},
    )


def mask_of(segmentation: Any, size: tuple[int, int], entry: Fields) -> MaskRle | None:
    """Return the union of the parts of a COCO segmentation.

    Args:
        segmentation: Polygons, or a run-length code or a list of them.
        size: Rows and columns of the image, px.
        entry: The annotation, for errors.

    Raises:
        ParseError: If it is none of these, or of another size than the image.
    """
    from pycocotools import mask

    parts = segmentation if isinstance(segmentation, list) else [segmentation]
    codes = []
    for part in parts:
        if isinstance(part, dict):
            codes.append(_checked(Fields(part, entry.where), size))
        else:
            codes += mask.frPyObjects([_ring(part, entry)], *size)
    union = mask.merge(codes) if codes else None
    if union is None or not mask.area(union):
        return None
    return MaskRle(size=size, counts=union["counts"].decode())


def _checked(part: Fields, size: tuple[int, int]) -> dict[str, Any]:
    """Return a run-length code whose runs fill the image.

    The C code of pycocotools trusts the runs and would read past them.
    """
    from pycocotools import mask

    from rsvlm.outputs import RunLengths

    rows, columns = (int(side) for side in part.numbers("size", 2))
    if (rows, columns) != size:
        raise part.fault("'size'", f"is {rows} x {columns}, that of the image {size}")
    counts = part.raw("counts")
    if isinstance(counts, list):
        whole = all(isinstance(run, int) and run >= 0 for run in counts)
        if not whole or sum(counts) != rows * columns:
            raise part.fault("'counts'", "do not fill the image")
        code: dict[str, Any] = mask.frPyObjects(dict(part.values), rows, columns)
        return code
    text = part.text("counts")
    try:
        ends = RunLengths(Mask(text, size, HBB(0, 0, columns, rows))).ends
    except (ParseError, ValueError, IndexError, UnicodeError):
        ends = np.array([1, 0])
    if (np.diff(ends, prepend=0) < 0).any():
        raise part.fault("'counts'", "do not fill the image")
    return {"size": [rows, columns], "counts": text}


def _ring(part: Any, entry: Fields) -> list[float]:
    numbers = Fields({"segmentation": part}, entry.where)
    count = len(part) if isinstance(part, list) else 0
    if count < 6 or count % 2:
        raise entry.fault("'segmentation'", f"has a ring of {count} numbers")
    ring = numbers.numbers("segmentation", count)
    if max(map(abs, ring)) > 1e5:
        raise entry.fault("'segmentation'", "leaves every image")
    return list(ring)
