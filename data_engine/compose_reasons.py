"""Questions that name no object: what could be done where, and what serves it.

The answer is a sentence that names what is meant, and its objects or its mask; where
nothing of the kind is there, the answer says so. They need the objects of an image or
a mask of what covers the ground.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from rsvlm.data_engine.phrases import pick, shuffled
from rsvlm.data_engine.wordings_reasons import PURPOSES, Purpose
from rsvlm.data_engine.writer import Writer, draw_absent
from rsvlm.labels import plural_of
from rsvlm.masks import Mask
from rsvlm.samples import MaskRle, Sample
from rsvlm.shapes import HBB

#: Questions an image that something there answers.
MOST = 2
#: Share of images with a question that nothing there answers.
ABSENT_SHARE = 0.5
#: What is asked for: outlines and masks less often than boxes, which are used.
SHAPES = ("hbb", "hbb", "polygon", "mask")
#: Cells of so many px, and how many of them from the water the ground is in danger.
CELL, REACH = 16, 3


def reason_samples(writer: Writer, frequency: Mapping[str, int]) -> Iterator[Sample]:
    """Yield the samples of an image.

    Args:
        writer: Makes the samples; labels are canonical.
        frequency: Class -> images of the split that show it.
    """
    record = writer.record
    shown = {target.label for target in record.targets} | set(record.masks)
    known = set(record.objects) | set(record.masks)
    rng = writer.rng("reason")
    served = [p for p in PURPOSES if shown & set(p.labels)]
    wet = record.masks.get("water")
    if wet and not beside(wet):
        served = [p for p in served if not p.beside]
    for purpose in shuffled(rng, served)[:MOST]:
        label = next(label for label in purpose.labels if label in shown)
        yield _sample(writer, purpose, label)
    # Only where every class that would serve is known to be absent.
    empty = {p.labels[0]: p for p in PURPOSES if _is_absent(p, shown, known)}
    count = int(rng.random() < ABSENT_SHARE)
    for label in draw_absent(rng, sorted(empty), frequency, count):
        yield _sample(writer, empty[label], "")


def beside(mask: MaskRle) -> MaskRle | None:
    """Return what lies within ``REACH`` cells of a mask, None where nothing does."""
    rows, columns = mask.size
    own = Mask(mask.counts, (rows, columns), HBB(0, 0, columns, rows)).to_array()
    cells = own[::CELL, ::CELL]
    near = np.pad(cells, REACH)
    for _ in range(REACH):
        for axis in (0, 1):
            near = near | np.roll(near, 1, axis) | np.roll(near, -1, axis)
    near = near[REACH:-REACH, REACH:-REACH]
    grown = near.repeat(CELL, 0).repeat(CELL, 1)[:rows, :columns] & ~own
    if not grown.any():
        return None
    return MaskRle(size=(rows, columns), counts=Mask.from_array(grown).counts)


def _is_absent(purpose: Purpose, shown: set[str], known: set[str]) -> bool:
    labels = set(purpose.labels)
    return not labels & shown and purpose.labels[0] in known


def _sample(writer: Writer, purpose: Purpose, label: str) -> Sample:
    """Return the question for a purpose, served by a class or by none."""
    record = writer.record
    rng = writer.rng(f"reason/{purpose.name}")
    question = pick(rng, purpose.wordings(writer.split))
    meant = label or purpose.labels[0]
    targets = tuple(t for t in record.targets if t.label == label)
    if label:
        noun = label if len(targets) == 1 else plural_of(label)
        answer = purpose.answer.format(many=noun) + "."
    else:
        answer = f"There is no {meant} for that."
    mask = record.masks.get(label)
    if mask and purpose.beside:
        mask, meant = beside(mask), f"ground beside {label}"
    return writer.sample(
        f"reason-{purpose.name}", "segment", question, (answer,), targets, meant,
        mask=mask, shape="mask" if mask else pick(rng, SHAPES),
    )  # fmt: skip
