"""From labelled images to training and evaluation samples.

Each record yields questions of several kinds. What is asked follows from the labels;
how it is asked is drawn from tables, by a generator that is seeded by image and kind,
so that adding a kind or an image changes no other sample.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from rsvlm.data_engine.compose_chain import chain_samples
from rsvlm.data_engine.compose_reasons import reason_samples
from rsvlm.data_engine.compose_regions import region_samples
from rsvlm.data_engine.compose_sensors import sensor_samples
from rsvlm.data_engine.compose_texts import text_samples
from rsvlm.data_engine.phrases import (
    CLASS_CAPTIONS,
    OBJECT_CAPTIONS,
    SCENE_CAPTIONS,
    canonical_name,
    fill,
    listing,
    pick,
    shuffled,
    some,
)
from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.writer import Writer, draw_absent
from rsvlm.samples import Sample

#: Share of images with a question for a class that is not there: "how many" and "where".
ABSENT_SHARE = 0.5
#: Share of questions with options that list all classes; the others list some.
ALL_OPTIONS_SHARE = 0.5
#: Fewest options of such a question.
MIN_OPTIONS = 3


def compose(
    record: Record,
    split: Split,
    seed: int = 0,
    frequency: Mapping[str, int] | None = None,
) -> list[Sample]:
    """Return the samples of one labelled image.

    Args:
        record: The image with its labels.
        split: Each split asks in wordings of its own; the test split asks for the
            presence of every class.
        seed: Another seed draws other wordings and other absent classes.
        frequency: Canonical object class -> images of the split that show it. Absent
            classes are drawn in proportion, so that "yes" and "no" are equally likely
            for every class; without it they are drawn evenly.

    Returns:
        The samples, in a fixed order.
    """
    samples: list[Sample] = []
    if record.sensor != "optical" or record.partner or record.cover:
        samples += sensor_samples(Writer(record, split, seed), frequency or {})
    targets = tuple(
        target.model_copy(update={"label": canonical_name(target.label)})
        for target in record.targets
    )
    record = replace(
        record,
        label=canonical_name(record.label) if record.label else None,
        targets=targets,
        scenes=tuple(map(canonical_name, record.scenes)),
        objects=tuple(map(canonical_name, record.objects)),
    )
    writer = Writer(record, split, seed)
    if record.chain:
        return list(chain_samples(writer, frequency or {}))
    if record.label and not record.aircraft:  # of a type of aircraft it is no scene
        samples += _scene_samples(writer, record.label)
    if record.objects:
        samples += _object_samples(writer, frequency or {})
        samples += region_samples(writer, frequency or {})
    samples += reason_samples(writer, frequency or {})
    samples += text_samples(writer)
    return samples


# --- scenes -----------------------------------------------------------------------


def _scene_samples(writer: Writer, label: str) -> Iterator[Sample]:
    rng = writer.rng("scene")
    question = writer.template("scene", rng)
    yield writer.sample("scene", "classify", question, (label,))

    rng = writer.rng("scene-options")
    others = shuffled(rng, [name for name in writer.record.scenes if name != label])
    if writer.split != "test" and rng.random() >= ALL_OPTIONS_SHARE:
        fewest = min(MIN_OPTIONS - 1, len(others))
        others = others[: pick(rng, range(fewest, len(others) + 1))]
    options = shuffled(rng, [label, *others])
    template = writer.template("scene-options", rng)
    question = fill(template, options=", ".join(options))
    yield writer.sample(
        "scene-options", "classify", question, (label,), options=options
    )

    rng = writer.rng("scene-presence")
    absent = [name for name in writer.record.scenes if name != label]
    for name in (label, *([pick(rng, absent)] if absent else [])):
        noun = writer.noun(name, rng)
        question = fill(writer.template("scene-presence", rng), noun)
        answer = "yes" if name == label else "no"
        yield writer.sample(
            "scene-presence", "vqa", question, (answer,), about=name, phrase=noun
        )

    rng = writer.rng("caption")
    templates = (*SCENE_CAPTIONS, *CLASS_CAPTIONS.get(label, ()))
    captions = [fill(template, label) for template in shuffled(rng, templates)]
    yield writer.sample("caption", "caption", writer.template("caption", rng), captions)


# --- objects ----------------------------------------------------------------------


def _object_samples(writer: Writer, frequency: Mapping[str, int]) -> Iterator[Sample]:
    counts = Counter(target.label for target in writer.record.targets)
    present = [name for name in sorted(writer.record.objects) if counts[name]]
    absent = [name for name in sorted(writer.record.objects) if not counts[name]]

    rng = writer.rng("presence")
    drawn = absent
    if writer.split != "test":
        drawn = draw_absent(rng, absent, frequency, len(present))
    for name in (*present, *drawn):
        noun = writer.noun(name, rng)
        question = fill(writer.template("presence", rng), noun)
        answer = "yes" if counts[name] else "no"
        yield writer.sample(
            "presence", "vqa", question, (answer,), about=name, phrase=noun
        )

    rng = writer.rng("count")
    for name in (*present, *_maybe_absent(rng, absent, frequency)):
        noun = writer.noun(name, rng)
        question = fill(writer.template("count", rng), noun)
        answer = str(counts[name])
        yield writer.sample(
            "count", "count", question, (answer,), about=name, phrase=noun
        )

    if present:
        answer = listing([some(name, counts[name]) for name in present])
        question = writer.template("objects", writer.rng("objects"))
        yield writer.sample("objects", "vqa", question, (answer,))

        rng = writer.rng("caption")
        shown = listing([some(name, counts[name]) for name in present])
        captions = [fill(t, list=shown) for t in shuffled(rng, OBJECT_CAPTIONS)]
        question = writer.template("caption", rng)
        yield writer.sample("caption", "caption", question, captions)

    rng = writer.rng("ground")
    for name in (*present, *_maybe_absent(rng, absent, frequency)):
        yield _ground(writer, rng, name)

    question = writer.template("detect", writer.rng("detect"))
    targets = writer.record.targets
    labels = list(writer.record.objects)
    yield writer.sample("detect", "detect", question, targets=targets, labels=labels)


def _ground(writer: Writer, rng: Random, name: str) -> Sample:
    targets = tuple(t for t in writer.record.targets if t.label == name)
    one = len(targets) <= 1 and rng.random() < 0.5
    noun = writer.noun(name, rng)
    question = fill(writer.template("ground-one" if one else "ground-many", rng), noun)
    meta: dict[str, Any] = {"phrase": noun}
    if writer.split == "test":
        meta["single_instance"] = len(targets) == 1
    return writer.sample("ground", "ground", question, (), targets, about=name, **meta)


def _maybe_absent(
    rng: Random, absent: Sequence[str], frequency: Mapping[str, int]
) -> list[str]:
    """Return one absent class for a share of the images, nothing for the others."""
    return draw_absent(rng, absent, frequency, int(rng.random() < ABSENT_SHARE))
