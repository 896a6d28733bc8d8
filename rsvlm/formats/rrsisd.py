"""RRSIS-D: referring segmentation, in the form of the ``refer`` tools.

``rrsisd/refs(unc).p`` is a pickled list of ``{"ref_id", "image_id", "ann_id", "split",
"file_name", "sentences": [{"raw", "sent"}]}``, ``rrsisd/instances.json`` a COCO file
with run-length masks; images lie in ``images/rrsisd/JPEGImages``. The pickle is read by
:mod:`rsvlm.formats.unpickle`, which runs nothing of it.

Source:
    Liu et al., "Rotated Multi-Scale Interaction Network for Referring Remote Sensing
    Image Segmentation", CVPR 2024; code Lsan2401/RMSIN.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rsvlm.formats.coco import mask_of
from rsvlm.formats.images import Images
from rsvlm.formats.labelled import Expression
from rsvlm.formats.unpickle import read_pickle
from rsvlm.formats.upstream import (
    Fields,
    as_fields,
    entries,
    found,
    only,
    read_json,
    split_named,
)


def read_rrsisd(root: Path) -> Iterator[Expression]:
    """Yield one expression a reference; ``text`` is its first sentence.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    path = only(found(root, "refs(unc).p"))
    coco = path.with_name("instances.json")
    whole = as_fields(read_json(coco), coco.name)
    masks = {entry.text("id"): entry for entry in whole.objects("annotations")}
    named = {entry.text("id"): entry for entry in whole.objects("images")}
    classes = {
        entry.text("id"): entry.text("name") for entry in whole.objects("categories")
    }
    images = Images(root, "images/rrsisd/JPEGImages", "JPEGImages", "images")
    for entry in entries(read_pickle(path), path.name):
        yield _expression(entry, masks, named, classes, images)


def _expression(
    entry: Fields,
    masks: Mapping[str, Fields],
    named: Mapping[str, Fields],
    classes: Mapping[str, str],
    images: Images,
) -> Expression:
    number = entry.text("image_id")
    if number not in named:
        raise entry.fault("'image_id'", f"{number!r} is not in instances.json")
    image = images.ref(named[number].text("file_name"), named[number].where)
    annotation = masks.get(entry.text("ann_id"))
    if annotation is None:
        raise entry.fault("'ann_id'", "is not in instances.json")
    first, *others = (
        sentence.text("raw", "sent") for sentence in entry.objects("sentences")
    )
    size = (image.height, image.width)
    return Expression(
        number=entry.text("ref_id"),
        image=image,
        text=first,
        split=split_named(entry.text("split"), entry.where),
        label=classes.get(annotation.text("category_id"), "object"),
        others=tuple(others),
        mask=mask_of(annotation.raw("segmentation"), size, annotation),
    )
