"""Samples of zoom-in chains: question, window, answer; and questions without a window.

What is small in a picture is answered by a window of it (``roi``): the conversation holds
the request as :mod:`rsvlm.zooming_requests` writes it. What is large is answered at once,
as is what no window shows: numbers, comparisons, positions, what is not there. Objects
between the two sizes are not asked for. Samples have the task ``zoom``.

Source:
    Zoom-in chains that leave global questions out: https://arxiv.org/abs/2511.21272.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

from rsvlm.data_engine.expressions import expressions
from rsvlm.data_engine.phrases import fill, listing, pick, shuffled, some
from rsvlm.data_engine.writer import Writer, draw_absent
from rsvlm.geometry import HBB
from rsvlm.labels import plural_of
from rsvlm.samples import Sample, Target, Turn
from rsvlm.training.placed import MOST_SHAPES, request_text
from rsvlm.training.sides import SIDES
from rsvlm.zooming_windows import widened

#: Longer side of an object as a share of the picture's: smaller ones need a window,
#: larger ones need none; below the least nobody could point to it.
LEAST, SMALL, LARGE = 0.007, 0.08, 0.14
#: Side of a window as a share of the picture's longer side. Three steps of it lead from
#: a scene of 80,000 px to one picture.
WINDOW = 0.2
#: Side of a window in objects, at least.
AROUND = 2.0
#: Samples of a picture: with a window, of large objects, of the whole.
MOST_WINDOWS, MOST_AT_ONCE, MOST_GLOBAL = 4, 2, 3


def chain_samples(writer: Writer, frequency: Mapping[str, int]) -> Iterator[Sample]:
    """Yield the samples of a picture.

    Args:
        writer: Makes the samples; labels are canonical.
        frequency: Canonical object class -> images of the split that show it.
    """
    local = [*_classes(writer), *_single(writer)]
    rng = writer.rng("chain")
    chosen = shuffled(rng, local)
    yield from [sample for sample in chosen if sample.roi][:MOST_WINDOWS]
    yield from [sample for sample in chosen if not sample.roi][:MOST_AT_ONCE]
    yield from shuffled(rng, list(_global(writer, frequency)))[:MOST_GLOBAL]


def window_of(
    targets: Sequence[Target], size: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """Return the window that shows objects, None where one cannot show all of them.

    Args:
        targets: The objects, in px.
        size: Width and height of the picture in px.

    >>> window_of([Target(label="a", hbb=(490, 90, 510, 110))], (1000, 500))
    (400.0, 0.0, 600.0, 200.0)
    """
    longest = max(size)
    boxes = [target.hbb for target in targets]
    hull = HBB(
        min(box[0] for box in boxes), min(box[1] for box in boxes),
        max(box[2] for box in boxes), max(box[3] for box in boxes),
    )  # fmt: skip
    side = max(WINDOW * longest, AROUND * max(map(_length, targets)))
    if max(hull.width, hull.height) > 0.8 * side:
        return None
    whole = HBB(0, 0, *size)
    x, y = (hull.x0 + hull.x1) / 2, (hull.y0 + hull.y1) / 2
    box = widened(HBB(x, y, x, y), whole, 0, side)
    return round(box.x0, 2), round(box.y0, 2), round(box.x1, 2), round(box.y1, 2)


def _classes(writer: Writer) -> Iterator[Sample]:
    """Yield questions about all objects of a class: where, and whether there are any."""
    rng = writer.rng("chain-class")
    groups: dict[str, list[Target]] = {}
    for target in writer.record.targets:
        groups.setdefault(target.label, []).append(target)
    for label, group in sorted(groups.items()):
        noun = writer.noun(label, rng)
        kind = "ground-one" if len(group) == 1 else "ground-many"
        where = fill(writer.template(kind, rng), noun)
        is_there = fill(writer.template("presence", rng), noun)
        yield from _asked(writer, "where", where, group, label)
        yield from _asked(writer, "presence", is_there, group, label, "yes")


def _single(writer: Writer) -> Iterator[Sample]:
    """Yield questions for one object of several, by a description."""
    record, rng = writer.record, writer.rng("chain-single")
    said = list(expressions(record.targets, record.width, record.height))
    for one in shuffled(rng, said)[:3]:
        noun = writer.noun(one.target.label, rng)
        words = dict(one.fields)
        if one.other:
            words["other"] = writer.noun(one.other, rng)
        what = fill(writer.template(f"the-{one.kind}", rng), noun, **words)
        question = fill(writer.template("refer", rng), what=what)
        kind = "-".join(filter(None, ("refer", one.kind, one.side)))
        label = one.target.label
        yield from _asked(writer, kind, question, [one.target], label, side=one.side)


def _asked(
    writer: Writer,
    kind: str,
    question: str,
    group: Sequence[Target],
    about: str,
    answer: str = "",
    side: str = "",
) -> Iterator[Sample]:
    """Yield a question about objects, with a window or without, where that is clear."""
    record = writer.record
    longest = max(record.width, record.height)
    shares = [_length(target) / longest for target in group]
    answers = (answer,) if answer else ()
    meta: dict[str, Any] = {"shape": "hbb"} | ({"side": side} if side else {})
    sized = (min(shares) >= LEAST and max(shares) <= SMALL, min(shares) >= LARGE)
    if sized[1] and (answer or len(group) <= MOST_SHAPES):
        yield writer.sample(
            f"chain-{kind}-large", "zoom", question, answers, tuple(group), about,
            **meta,
        )  # fmt: skip
    window = window_of(group, (record.width, record.height)) if sized[0] else None
    if window is None and sized[0] and answer:
        # One of them says that there are some.
        group = [max(group, key=_length)]
        window = window_of(group, (record.width, record.height))
    if window is None:
        return
    sample = writer.sample(
        f"chain-{kind}", "zoom", question, answers, tuple(group), about, **meta
    )
    request = request_text(window, (record.width, record.height), 0, False)
    first = sample.conversation[:1]
    turns = (*first, Turn(role="assistant", text=request))
    if answer:
        turns += (*first, Turn(role="assistant", text=answer))
    yield sample.model_copy(update={"conversation": turns, "roi": window})


def _global(writer: Writer, frequency: Mapping[str, int]) -> Iterator[Sample]:
    """Yield questions that need the whole picture, or are about nothing in it."""
    counts = Counter(target.label for target in writer.record.targets)
    present = sorted(counts)
    rng = writer.rng("chain-global")
    for label in shuffled(rng, present)[:1]:
        question = fill(writer.template("count", rng), writer.noun(label, rng))
        yield _plain(writer, "count", question, str(counts[label]), label)
    absent = [name for name in sorted(writer.record.objects) if not counts[name]]
    for label in draw_absent(rng, absent, frequency, 2):
        question = fill(writer.template("presence", rng), writer.noun(label, rng))
        yield _plain(writer, "absent", question, "no", label)
    if present:
        listed = listing([some(name, counts[name]) for name in present])
        question = writer.template("objects", rng)
        yield _plain(writer, "objects", question, listed, "")
    pairs = [(a, b) for a, b in permutations(present, 2) if counts[a] != counts[b]]
    if pairs:
        more, less = pick(rng, pairs)
        question = fill(
            writer.template("chain-more", rng), more, others=plural_of(less)
        )
        answer = "yes" if counts[more] > counts[less] else "no"
        yield _plain(writer, "more", question, answer, more)
    yield from _sides(writer)


def _sides(writer: Writer) -> Iterator[Sample]:
    """Yield a question for the position of one object relative to another."""
    rng = writer.rng("chain-side")
    targets = writer.record.targets
    counts = Counter(target.label for target in targets)
    alone = [target for target in targets if counts[target.label] == 1]
    pairs = list(permutations(alone, 2))
    if not pairs:
        return
    one, other = pick(rng, pairs)
    side = pick(rng, sorted(SIDES))
    axis, back = int(side in ("top", "bottom")), side in ("right", "bottom")
    gap = other.hbb[axis] - one.hbb[axis + 2], one.hbb[axis] - other.hbb[axis + 2]
    if max(gap) <= 0:
        return  # beside one another along that axis: neither answer is right
    question = fill(
        writer.template("chain-side", rng), one.label, other=other.label,
        of=SIDES[side][0],
    )  # fmt: skip
    answer = "yes" if gap[int(back)] > 0 else "no"
    yield _plain(writer, "side", question, answer, one.label, side)


def _plain(
    writer: Writer, kind: str, question: str, answer: str, about: str, side: str = ""
) -> Sample:
    meta: dict[str, Any] = {"side": side} if side else {}
    name = f"chain-{kind}"
    return writer.sample(name, "zoom", question, (answer,), (), about, **meta)


def _length(target: Target) -> float:
    x0, y0, x1, y1 = target.hbb
    return max(x1 - x0, y1 - y0)
