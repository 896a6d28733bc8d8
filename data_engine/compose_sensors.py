"""Samples of what several sensors see: land cover, aircraft, water, pairs of images.

Every question of the ground is put to the optical and to the radar image of a place.
"""

from collections.abc import Iterator, Mapping

from rsvlm.data_engine.captions_sensors import (
    NAMED,
    aircraft_captions,
    content,
    ground_captions,
)
from rsvlm.data_engine.landcover import CLASSES, main_class
from rsvlm.data_engine.phrases import fill, pick, shuffled, with_article
from rsvlm.data_engine.writer import Writer, draw_absent
from rsvlm.samples import Sample

#: Answers to "which kind of sensor", the first of each as the assistant says it.
SENSORS = {
    "optical": ("an optical sensor", "optical", "a camera"),
    "sar": ("a radar (SAR)", "radar", "sar"),
}
#: Share of images with a question about their sensor.
SENSOR_SHARE = 0.15
#: Up to this share a class counts as absent: one of 256 cells may be a mistake.
ABSENT = 0.01
#: Words for the share of the ground -> the shares that they fit beyond doubt.
SHARES = {
    "none": (0.0, ABSENT),
    "less than a quarter": (0.04, 0.21),
    "about half": (0.40, 0.60),
    "most": (0.70, 1.0),
}


def sensor_samples(writer: Writer, frequency: Mapping[str, int]) -> Iterator[Sample]:
    """Yield the samples of a record that has more than labels of an optical image.

    Args:
        writer: Makes the samples.
        frequency: Land-cover class -> images of the split that have it; classes that
            are asked for and absent are drawn in proportion.
    """
    record = writer.record
    if record.aircraft and record.label:
        yield from _aircraft_samples(writer, record.label)
    if record.cover:
        yield from _cover_samples(writer, frequency)
    for name, mask in record.masks.items():
        template = writer.template("cover-mask", writer.rng(f"cover-mask/{name}"))
        question = fill(template, what=name)
        yield writer.sample("cover-mask", "segment", question, about=name, mask=mask)
    if "water" in record.meta:
        yield from _water_samples(writer)
    if record.partner and not record.is_piece:
        yield writer.sample("pair", "retrieve", "", with_partner=True)


# --- land cover -------------------------------------------------------------------


def _cover_samples(writer: Writer, frequency: Mapping[str, int]) -> Iterator[Sample]:
    record, cover = writer.record, writer.record.cover
    text = content(cover, record.places)
    rng = writer.rng("caption")
    captions = shuffled(rng, ground_captions(cover, record.places))
    question = writer.template("caption", rng)
    # Texts of equal content are no negatives of each other: the content tells.
    yield writer.sample("caption", "caption", question, captions, content=text)

    main = main_class(cover)
    if main:
        rng = writer.rng("cover")
        options = ", ".join(shuffled(rng, CLASSES))
        question = fill(writer.template("cover", rng), options=options)
        yield writer.sample(
            "cover", "classify", question, (main,), choices=CLASSES, of=record.sensor
        )
        if writer.split == "test" and record.partner:
            yield writer.sample(
                "cover", "classify", question, (main,), about="both", choices=CLASSES,
                of="both", with_partner=True,
            )  # fmt: skip
        question = writer.template("cover-main", writer.rng("cover-main"))
        yield writer.sample("cover-main", "vqa", question, (main,))

    present = [name for name in CLASSES if cover[name] >= NAMED]
    absent = [name for name in CLASSES if cover[name] <= ABSENT]
    rng = writer.rng("cover-presence")
    drawn = absent
    if writer.split != "test":
        drawn = draw_absent(rng, absent, frequency, len(present))
    for name in (*present, *drawn):
        question = fill(writer.template("cover-presence", rng), what=name)
        answer = "yes" if name in present else "no"
        yield writer.sample("cover-presence", "vqa", question, (answer,), about=name)

    rng = writer.rng("cover-share")
    clear = [(name, words) for name in CLASSES if (words := share_words(cover[name]))]
    if clear:
        # "none" fits most classes of most images: it is drawn as seldom as the others.
        words = pick(rng, sorted({words for _, words in clear}))
        name = pick(rng, [n for n, w in clear if w == words])
        question = fill(writer.template("cover-share", rng), what=name)
        yield writer.sample("cover-share", "vqa", question, (words,), about=name)

    rng = writer.rng("sensor")
    if rng.random() < SENSOR_SHARE:
        answers = SENSORS["sar" if record.sensor == "sar" else "optical"]
        yield writer.sample("sensor", "vqa", writer.template("sensor", rng), answers)


def share_words(share: float) -> str | None:
    """Return the words for a share of the ground; None between two of them.

    >>> share_words(0.5), share_words(0.3)
    ('about half', None)
    """
    return next((w for w, (low, high) in SHARES.items() if low <= share <= high), None)


# --- aircraft ---------------------------------------------------------------------


def _aircraft_samples(writer: Writer, label: str) -> Iterator[Sample]:
    types = writer.record.aircraft
    rng = writer.rng("aircraft")
    options = ", ".join(shuffled(rng, types))
    question = fill(writer.template("aircraft", rng), options=options)
    yield writer.sample("aircraft", "classify", question, (label,), choices=types)

    rng = writer.rng("aircraft-presence")
    # One of the two, so that "yes" and "no" are equally likely for every type.
    name = label
    if rng.random() < 0.5:
        name = pick(rng, [other for other in types if other != label])
    template = writer.template("aircraft-presence", rng)
    question = fill(template, what=name, a=with_article(name))
    answer = "yes" if name == label else "no"
    yield writer.sample("aircraft-presence", "vqa", question, (answer,), about=name)

    rng = writer.rng("caption")
    captions = shuffled(rng, aircraft_captions(label))
    question = writer.template("caption", rng)
    text = f"{with_article(label)} aircraft"
    yield writer.sample("caption", "caption", question, captions, content=text)


# --- water ------------------------------------------------------------------------


def _water_samples(writer: Writer) -> Iterator[Sample]:
    rng = writer.rng("cover-presence")
    question = fill(writer.template("cover-presence", rng), what="water")
    share = float(writer.record.meta["water"])
    answer = "yes" if share > ABSENT else "no"
    yield writer.sample("cover-presence", "vqa", question, (answer,), about="water")
    question = writer.template("water-share", writer.rng("water-share"))
    percent = f"{100 * share:.0f}"
    answers = (f"{percent} %", f"{percent}%", f"{percent} percent")
    yield writer.sample("water-share", "vqa", question, answers, about="water")
