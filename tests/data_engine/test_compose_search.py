"""Search by words: items, one query a text, grades by what covers the ground."""

from typing import Any

from rsvlm.data_engine.compose_search import text_search
from rsvlm.data_engine.landcover import CLASSES
from rsvlm.data_engine.records import Record
from rsvlm.samples import Sample


def _piece(name: str, sensor: Any, *shares: float) -> Record:
    return Record(
        image=name.encode(),
        name=f"{name}-{sensor}.png",
        width=256,
        height=256,
        source="optical_sar",
        licence="terms",
        sensor=sensor,
        cover=dict(zip(CLASSES, shares, strict=True)) if shares else {},
        is_piece=True,
    )


#: Two towns, a town with a park, a sea, and a piece of which nothing is known.
GROUND = {
    "a": (0.0, 0.0, 1.0, 0.0),
    "b": (0.0, 0.0, 0.96, 0.04),
    "c": (0.0, 0.2, 0.8, 0.0),
    "d": (1.0, 0.0, 0.0, 0.0),
    "e": (),
}


def _samples(split: Any = "test") -> list[Sample]:
    pieces = [
        _piece(name, sensor, *shares)
        for name, shares in GROUND.items()
        for sensor in ("optical", "sar")
    ]
    return list(text_search(pieces, split))


def test_every_known_piece_is_an_item_of_its_sensor() -> None:
    items = [s for s in _samples() if s.meta["kind"] == "item"]
    assert [(s.id, s.type) for s in items] == [
        (f"optical_sar/{name}-{sensor}/item", sensor)
        for sensor in ("optical", "sar")
        for name in "abcd"
    ]
    assert not any(s.relevant or s.conversation for s in items)


def test_a_text_is_one_query_a_sensor() -> None:
    queries = [s for s in _samples() if s.meta["kind"] == "text-search"]
    assert [(s.type, s.conversation[0].text) for s in queries] == [
        (f"text to {sensor}", text)
        for sensor in ("optical", "sar")
        for text in (
            "Built-up land.",
            "Mostly built-up land, with some vegetation.",
            "Water.",
        )
    ]
    assert len({s.id for s in _samples()}) == len(_samples())


def test_grades_follow_the_ground() -> None:
    town, park, sea = [s for s in _samples() if s.type == "text to sar"]
    assert town.relevant == {
        "optical_sar/a-sar/item": 3,
        "optical_sar/b-sar/item": 3,
        "optical_sar/c-sar/item": 1,  # 80 % alike
    }
    assert park.relevant == {
        "optical_sar/a-sar/item": 1,
        "optical_sar/b-sar/item": 1,
        "optical_sar/c-sar/item": 3,
    }
    assert sea.relevant == {"optical_sar/d-sar/item": 3}


def test_only_the_test_split_is_searched() -> None:
    assert _samples("train") == _samples("val") == []
