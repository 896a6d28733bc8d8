"""Samples about land cover, aircraft, water and pairs: true, balanced, the same words."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.data_engine.captions_sensors import content, ground_captions
from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.compose_sensors import share_words
from rsvlm.data_engine.landcover import CLASSES
from rsvlm.data_engine.records import Record, Split
from rsvlm.samples import MaskRle, Sample


def _cover(*shares: float) -> dict[str, float]:
    return dict(zip(CLASSES, shares, strict=True))


def _record(name: str, sensor: Any = "sar", **facts: Any) -> Record:
    return Record(
        image=name.encode(),
        name=name,
        width=256,
        height=256,
        source="optical_sar",
        licence="terms",
        sensor=sensor,
        gsd_m=8.3,
        **facts,
    )


#: A coast: half water, less than half of it town, a little green, no bare ground.
COAST = _cover(0.55, 0.05, 0.40, 0.0)
TYPES = ("A220", "A330", "Boeing 787")


def _piece(split: Split = "train", cover: dict[str, float] = COAST) -> list[Sample]:
    radar = _record("1-sar.png", cover=cover, is_piece=True)
    optical = _record(
        "1-optical.png", "optical", cover=cover, is_piece=True, partner=radar
    )
    return [s for record in (optical, radar) for s in compose(record, split)]


def _kind(samples: list[Sample], kind: str) -> list[Sample]:
    return [sample for sample in samples if sample.meta["kind"] == kind]


def test_both_sensors_are_described_in_the_same_words() -> None:
    optical, radar = _kind(_piece(), "caption")
    assert optical.images[0].sensor == "optical"
    assert radar.images[0].sensor == "sar"
    assert set(optical.answers) == set(radar.answers)
    assert len(set(optical.answers)) == 5
    assert optical.meta["content"] == radar.meta["content"]
    assert optical.meta["content"] == "water and built-up land"
    assert optical.conversation[1].text == optical.answers[0]


_SHARES = st.lists(st.integers(0, 12), min_size=4, max_size=4).filter(any)


@given(_SHARES, _SHARES, st.sampled_from([(), ("harbour",), ("airport",)]))
def test_equal_contents_have_equal_texts(
    one: list[int], other: list[int], where: tuple[str, ...]
) -> None:
    covers = [_cover(*(n / sum(part) for n in part)) for part in (one, other)]
    texts = [ground_captions(cover, where) for cover in covers]
    # Loss masks go by the content: it has to tell the captions, and they it.
    same = content(covers[0], where) == content(covers[1], where)
    assert same == (set(texts[0]) == set(texts[1])) == (texts[0][-1] == texts[1][-1])
    for text in texts[0]:
        assert text[0].isupper()
        assert text.endswith(".")


@pytest.mark.parametrize(
    ("shares", "places", "expected"),
    [
        ((0.92, 0.0, 0.08, 0.0), (), "water"),
        ((0.0, 0.05, 0.90, 0.05), (), "mostly built-up land"),
        (
            (0.06, 0.0, 0.70, 0.24),
            (),
            "mostly built-up land, with some water and bare or dry ground",
        ),
        (
            (0.0, 0.35, 0.45, 0.2),
            (),
            "vegetation and built-up land, with some bare or dry ground",
        ),
        ((0.4, 0.0, 0.6, 0.0), ("harbour",), "a harbour with water and built-up land"),
        (
            (0.0, 0.0, 0.6, 0.4),
            ("airport",),
            "an airport with runways amid built-up land and bare or dry ground",
        ),
    ],
)
def test_content(
    shares: tuple[float, ...], places: tuple[str, ...], expected: str
) -> None:
    assert content(_cover(*shares), places) == expected


def test_questions_about_cover_are_true() -> None:
    samples = _piece("test")
    presence = {
        (s.images[0].sensor, s.meta["label"]): s.answers[0]
        for s in _kind(samples, "cover-presence")
    }
    # 5 % of green are neither clearly there nor clearly not.
    assert presence == {
        (sensor, name): answer
        for sensor in ("optical", "sar")
        for name, answer in (
            ("water", "yes"),
            ("built-up land", "yes"),
            ("bare or dry ground", "no"),
        )
    }
    assert {s.answers[0] for s in _kind(samples, "cover-main")} == {"water"}
    for sample in _kind(samples, "cover-share"):
        assert sample.answers == (share_words(COAST[sample.meta["label"]]),)


def test_the_main_cover_is_asked_of_one_sensor_and_of_both() -> None:
    samples = _kind(_piece("test"), "cover")
    shown = {s.type: [image.sensor for image in s.images] for s in samples}
    assert shown == {
        "optical": ["optical"],
        "sar": ["sar"],
        "both": ["optical", "sar"],
    }
    for sample in samples:
        assert sample.options == CLASSES
        assert sample.answers == ("water",)
        assert all(name in sample.conversation[0].text for name in CLASSES)
    assert {s.type for s in _kind(_piece("train"), "cover")} == {"optical", "sar"}


def test_two_covers_of_one_size_have_no_main_one() -> None:
    samples = _piece(cover=_cover(0.5, 0.0, 0.45, 0.05))
    assert not _kind(samples, "cover")
    assert not _kind(samples, "cover-main")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "none"),
        (0.02, None),
        (0.1, "less than a quarter"),
        (0.25, None),
        (0.5, "about half"),
        (0.65, None),
        (1.0, "most"),
    ],
)
def test_words_for_shares_leave_gaps(share: float, words: str | None) -> None:
    assert share_words(share) == words


def test_absent_covers_are_drawn_as_often_as_others_show_them() -> None:
    frequency = {"water": 90, "bare or dry ground": 1}
    asked = Counter(
        sample.meta["label"]
        for number in range(100)
        for sample in compose(
            _record(f"{number}.png", cover=_cover(0, 0, 1, 0)), "train", 0, frequency
        )
        if sample.meta["kind"] == "cover-presence" and sample.answers == ("no",)
    )
    assert asked["water"] > 90


def test_a_whole_pair_is_one_sample_and_a_piece_is_none() -> None:
    radar = _record("2-sar.webp")
    whole = _record("2-optical.webp", "optical", partner=radar, meta={"tile": "2"})
    (pair,) = compose(whole, "train")
    assert (pair.task, pair.conversation, pair.relevant) == ("retrieve", (), {})
    assert [image.sensor for image in pair.images] == ["optical", "sar"]
    assert pair.images[1].path == "images/optical_sar/2-sar.webp"
    assert pair.images[0].sha256 != pair.images[1].sha256
    assert pair.images[0].gsd_m == 8.3
    assert pair.meta == {"kind": "pair", "tile": "2"}
    assert not _kind(_piece(), "pair")


def test_aircraft_are_asked_with_all_types_and_yes_is_as_likely_as_no() -> None:
    answers = Counter[tuple[str, str]]()
    for number in range(300):
        label = TYPES[number % 3]
        record = _record(f"{number}.jpg", label=label, aircraft=TYPES)
        samples = compose(record, "train")
        (classify,) = _kind(samples, "aircraft")
        assert classify.options == TYPES
        assert classify.answers == (label,)
        (presence,) = _kind(samples, "aircraft-presence")
        about = presence.meta["label"]
        assert (presence.answers == ("yes",)) == (about == label)
        answers[about, presence.answers[0]] += 1
        (caption,) = _kind(samples, "caption")
        assert all(label in text for text in caption.answers)
    for name in TYPES:
        assert 30 < answers[name, "yes"] < 70
        assert 30 < answers[name, "no"] < 70


def test_water_has_a_mask_and_a_percentage() -> None:
    mask = MaskRle(size=(256, 256), counts="xyz")
    record = _record("flood.tif", masks={"water": mask}, meta={"water": 0.267})
    samples = compose(record, "val")
    (segment,) = _kind(samples, "cover-mask")
    assert segment.mask == mask
    assert (segment.task, segment.meta["label"]) == ("segment", "water")
    (share,) = _kind(samples, "water-share")
    assert share.answers[0] == "27 %"
    (presence,) = _kind(samples, "cover-presence")
    assert presence.answers == ("yes",)


def test_another_seed_draws_other_wordings() -> None:
    record = _record("1.png", cover=COAST)
    first, again, other = (compose(record, "train", seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert compose(replace(record, name="2.png"), "train") != first
