"""Questions that name no object: what they mean, and what is not there."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.compose_reasons import CELL, REACH, beside
from rsvlm.data_engine.records import SPLITS, Record, Split
from rsvlm.data_engine.wordings_reasons import PURPOSES, Purpose
from rsvlm.labels import COVERS, OBJECTS, plural_of
from rsvlm.masks import Mask
from rsvlm.samples import MaskRle, Sample, Target
from rsvlm.shapes import HBB

Pixels = NDArray[np.bool_]
SIDE = 20 * CELL


def _rle(array: Pixels) -> MaskRle:
    return MaskRle(
        size=(array.shape[0], array.shape[1]), counts=Mask.from_array(array).counts
    )


def _array(mask: MaskRle) -> Pixels:
    rows, columns = mask.size
    return Mask(mask.counts, (rows, columns), HBB(0, 0, columns, rows)).to_array()


def _lake() -> Pixels:
    lake = np.zeros((SIDE, SIDE), bool)
    lake[5 * CELL : 8 * CELL, : 4 * CELL] = True
    return lake


SHIP = Target(label="ship", hbb=(0, 0, 9, 9))
PORT = Record(
    image=b"pixels", name="1.webp", width=SIDE, height=SIDE, source="s", licence="l",
    targets=(SHIP,), objects=("ship", "harbor", "airplane"),
)  # fmt: skip
COAST = Record(
    image=b"pixels", name="1.png", width=SIDE, height=SIDE, source="s", licence="l",
    sensor="sar", masks={"water": _rle(_lake()), "built-up land": _rle(~_lake())},
)  # fmt: skip


def _reasons(record: Record, split: Split = "train") -> list[Sample]:
    return [
        sample
        for number in range(80)
        for sample in compose(replace(record, name=f"{number}.png"), split)
        if sample.meta["kind"].startswith("reason")
    ]


def test_an_answer_names_what_is_meant() -> None:
    samples = _reasons(PORT)
    served = [s for s in samples if s.targets]
    assert {s.answers for s in served} == {("The ship could sail.",)}
    assert all(s.targets == (SHIP,) and s.meta["label"] == "ship" for s in served)
    assert {s.meta["shape"] for s in served} == {"hbb", "polygon", "mask"}
    assert all(s.task == "segment" for s in samples)


def test_what_is_not_there_is_denied() -> None:
    empty = [s for s in _reasons(PORT) if not s.targets]
    # Nothing is known about tanks or courts here.
    assert {s.meta["label"] for s in empty} == {"harbor", "airplane"}
    for sample in empty:
        assert sample.answers == (f"There is no {sample.meta['label']} for that.",)
        assert sample.mask is None
    assert 25 < len(empty) < 55  # of 80 images


def test_cover_is_meant_by_its_mask() -> None:
    samples = _reasons(COAST)
    by_kind = {s.meta["kind"]: s for s in samples}
    assert by_kind.keys() == {"reason-flood", "reason-swim", "reason-live"}
    assert by_kind["reason-swim"].mask == COAST.masks["water"]
    assert by_kind["reason-live"].mask == COAST.masks["built-up land"]
    flood = by_kind["reason-flood"]
    assert flood.meta["label"] == "ground beside water"
    assert {s.meta["shape"] for s in samples} == {"mask"}
    assert flood.mask == beside(COAST.masks["water"])


def test_ground_beside_water_is_near_it() -> None:
    lake = _lake()
    found = beside(_rle(lake))
    assert found is not None
    shore = _array(found)
    assert not (shore & lake).any()
    reach = REACH * CELL
    assert shore[5 * CELL - 1, 0]
    assert shore[6 * CELL, 4 * CELL + reach - 1]
    assert not shore[6 * CELL, 4 * CELL + reach]
    assert not shore[:, -1].any()  # the far side is no neighbour
    assert beside(_rle(np.ones((40, 50), bool))) is None


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda purpose: purpose.name)
def test_purposes(purpose: Purpose) -> None:
    assert set(purpose.labels) <= OBJECTS.keys() | COVERS.keys()
    tables = [purpose.wordings(split) for split in SPLITS]
    assert [len(t) >= n for t, n in zip(tables, (5, 1, 2), strict=True)] == [True] * 3
    every = [text for table in tables for text in table]
    assert len(set(every)) == len(every)
    names = () if purpose.beside else purpose.labels  # "ground beside the water"
    for text in every:  # the object itself is not named
        for name in names:
            assert f" {name} " not in f" {text.lower().strip('?.')} ", text
            assert plural_of(name) not in text.lower(), text
