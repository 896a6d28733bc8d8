"""Samples that ask where: one object by a description, outlines, a box made sharper.

Answers are objects, not text: training turns images, so that it writes the text of a
region itself (:mod:`rsvlm.training.placed`). ``meta.shape`` says what is asked for;
where the question holds a region, ``meta.given`` is its text and ``meta.given_shape``
what it is.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from rsvlm.data_engine.expressions import Expression, expressions
from rsvlm.data_engine.phrases import fill, pick, shuffled
from rsvlm.data_engine.writer import Writer, draw_absent
from rsvlm.samples import Sample, Target
from rsvlm.training.augment import items_of
from rsvlm.training.placed import MOST_SHAPES, items_text

#: Descriptions of single objects an image.
EXPRESSIONS = 3
#: Smallest side of an object whose outline is asked for, as a share of the image's.
LEAST_SIDE = 0.03
#: The same of one that a coarse mask tells the box of: more than two cells of 16.
LEAST_MASK = 0.14
#: Share of images with a question for the outline of what is not there.
ABSENT_SHARE = 0.25
#: What a question about a class can ask for, beside boxes.
SHAPES = ("obb", "polygon", "mask")


def region_samples(writer: Writer, frequency: Mapping[str, int]) -> Iterator[Sample]:
    """Yield the samples of an image with labelled objects.

    Args:
        writer: Makes the samples; labels are canonical.
        frequency: Canonical object class -> images of the split that show it.
    """
    yield from _referring(writer)
    yield from _outlines(writer, frequency)
    fit = [t for t in writer.record.targets if _is_fit(writer, t)]
    if fit:
        yield _given_box(writer, fit)
        yield _given_shape(writer, fit)


def _is_fit(writer: Writer, target: Target) -> bool:
    return bool(target.polygons) and _least_side(writer, target) >= LEAST_SIDE


def _least_side(writer: Writer, target: Target) -> float:
    """Return the shorter side of an object as a share of the image's."""
    x0, y0, x1, y1 = target.hbb
    record = writer.record
    return min((x1 - x0) / record.width, (y1 - y0) / record.height)


def _referring(writer: Writer) -> Iterator[Sample]:
    record = writer.record
    found: dict[tuple[str, str], list[Expression]] = {}
    for expression in expressions(record.targets, record.width, record.height):
        key = (expression.kind, expression.target.label)
        found.setdefault(key, []).append(expression)
    rng = writer.rng("refer")
    # A kind once a class: most of what can be said is on which side something lies.
    for kind, label in shuffled(rng, sorted(found))[:EXPRESSIONS]:
        said = pick(rng, found[kind, label])
        noun = writer.noun(label, rng)
        words = dict(said.fields)
        if said.other:
            words["other"] = writer.noun(said.other, rng)
        what = fill(writer.template(f"the-{kind}", rng), noun, **words)
        question = fill(writer.template("refer", rng), what=what)
        shape = "hbb" if rng.random() < 0.7 else pick(rng, SHAPES)
        meta: dict[str, Any] = {"phrase": noun, "what": what, "shape": shape}
        if said.side:
            meta["side"] = said.side
        if writer.split == "test":
            meta["single_instance"] = True
        yield writer.sample(
            f"refer-{kind}", "ground", question, (), (said.target,), label, **meta
        )


def _outlines(writer: Writer, frequency: Mapping[str, int]) -> Iterator[Sample]:
    targets = writer.record.targets
    counts = Counter(target.label for target in targets)
    present = [
        name
        for name in sorted(counts)
        if counts[name] <= MOST_SHAPES
        and all(_is_fit(writer, t) for t in targets if t.label == name)
    ]
    rng = writer.rng("outline")
    absent = [name for name in sorted(writer.record.objects) if not counts[name]]
    drawn = draw_absent(rng, absent, frequency, int(rng.random() < ABSENT_SHARE))
    for name in (*shuffled(rng, present)[:2], *drawn):
        shape = pick(rng, SHAPES)
        noun = writer.noun(name, rng)
        # Oriented boxes are asked for as boxes are.
        kind = "ground-many" if shape == "obb" else "outline"
        question = fill(writer.template(kind, rng), noun)
        task = "ground" if shape == "obb" else "segment"
        meant = tuple(target for target in targets if target.label == name)
        yield writer.sample(
            f"outline-{shape}", task, question, (), meant, name,
            phrase=noun, shape=shape,
        )  # fmt: skip


def _given_box(writer: Writer, fit: Sequence[Target]) -> Sample:
    """Return a question that gives a box and asks for what is in it, in detail."""
    rng = writer.rng("given-box")
    shape = pick(rng, SHAPES)
    return _given(writer, rng, "given-box", fit, "hbb", shape)


def _given_shape(writer: Writer, fit: Sequence[Target]) -> Sample:
    """Return a question that gives an outline or a mask and asks for the box."""
    rng = writer.rng("given-shape")
    large = [t for t in fit if _least_side(writer, t) >= LEAST_MASK]
    given = pick(rng, ("polygon", "mask")) if large else "polygon"
    meant = large if given == "mask" else fit
    return _given(writer, rng, "given-shape", meant, given, "hbb")


def _given(
    writer: Writer,
    rng: Random,
    kind: str,
    fit: Sequence[Target],
    given: str,
    shape: str,
) -> Sample:
    record = writer.record
    target = pick(rng, fit)
    text = items_text(items_of([target]), "", given, (record.width, record.height))
    noun = writer.noun(target.label, rng)
    question = fill(writer.template(kind, rng), noun, given=text)
    task = "ground" if shape in ("hbb", "obb") else "segment"
    return writer.sample(
        kind, task, question, (), (target,), target.label,
        phrase=noun, shape=shape, given=text, given_shape=given,
    )  # fmt: skip
