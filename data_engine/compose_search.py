"""Search of pictures by words: one query a text, the pieces of a test split to search.

Items are samples of type "optical" or "sar" without a question; a query of the type
"text to optical" searches the former. Grades follow from what covers the ground, so
that a piece that nearly fits counts more than one that does not fit at all.
"""

from collections.abc import Iterator, Mapping, Sequence

from rsvlm.data_engine.captions_sensors import content
from rsvlm.data_engine.landcover import CLASSES
from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.writer import Writer
from rsvlm.samples import Sample, Turn

#: Grade of a piece with the very text of the query.
SAME = 3.0
#: Grade -> how much of the ground must be covered alike, as a share.
ALIKE = {2.0: 0.85, 1.0: 0.70}


def text_search(records: Sequence[Record], split: Split) -> Iterator[Sample]:
    """Yield the items and the queries of a search; only for pieces of the test split.

    Args:
        records: Every record of a source and split.
        split: Training and validation have no such search.

    Yields:
        For each sensor the items in the order of the records, then one query for each
        text that one of them has; the picture of a query is its first right answer.
    """
    if split != "test":
        return
    for sensor in ("optical", "sar"):
        pieces = [r for r in records if r.is_piece and r.cover and r.sensor == sensor]
        firsts: dict[str, Record] = {}
        for piece in pieces:
            yield Writer(piece, split, 0).sample("item", "retrieve", "", of=sensor)
            firsts.setdefault(content(piece.cover, piece.places), piece)
        for text, first in firsts.items():
            grades = _grades(text, pieces)
            sample = Writer(first, split, 0).sample(
                "text-search", "retrieve", "", of=f"text to {sensor}"
            )
            words = f"{text[0].upper()}{text[1:]}."
            turns = (Turn(role="user", text=words),)
            # The query is the text: none of its pictures is more its own than another.
            meta = {"kind": "text-search", "cluster": text}
            yield sample.model_copy(
                update={"conversation": turns, "relevant": grades, "meta": meta}
            )


def _grades(text: str, pieces: Sequence[Record]) -> dict[str, float]:
    """Return id of an item -> its grade, items of grade 0 left out."""
    same = [p.cover for p in pieces if content(p.cover, p.places) == text]
    mean = {name: sum(cover[name] for cover in same) / len(same) for name in CLASSES}
    grades = {}
    for piece in pieces:
        if content(piece.cover, piece.places) == text:
            grade = SAME
        else:
            alike = _alike(mean, piece.cover)
            grade = max(
                (g for g, least in ALIKE.items() if alike >= least), default=0.0
            )
        if grade:
            grades[f"{piece.source}/{piece.name.rsplit('.', 1)[0]}/item"] = grade
    return grades


def _alike(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the share of the ground that two places have in common, in [0, 1].

    >>> round(_alike({"water": 0.7, "vegetation": 0.3}, {"water": 0.5, "vegetation": 0.5}), 1)
    0.8
    """
    return sum(min(share, other[name]) for name, share in one.items())
