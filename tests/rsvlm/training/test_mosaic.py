"""Four pictures in one view: objects stay where they are seen."""

from pathlib import Path

import numpy as np
import pytest

from rsvlm.labels import OBJECTS
from rsvlm.samples import Sample, read_samples
from rsvlm.training.mosaic import ABSENT, Entry, Labelled, mosaics

SIDE = 112


@pytest.fixture
def samples(smoke_data: Path) -> list[Sample]:
    return list(read_samples(smoke_data / "train.jsonl"))


@pytest.fixture
def full(samples: list[Sample]) -> list[Labelled]:
    return [Labelled.of(s) for s in samples if s.task == "detect"]


@pytest.fixture
def scenes(samples: list[Sample]) -> list[Labelled]:
    found = [s for s in samples if s.task == "classify" and s.answers[0] in ABSENT]
    return [Labelled.of(s) for s in found]


def test_scenes_name_what_they_surely_lack() -> None:
    assert all(labels < set(OBJECTS) for labels in ABSENT.values())
    assert "airplane" in frozenset.intersection(*ABSENT.values())
    assert "ship" not in ABSENT["river or lake"]
    assert "storage tank" not in ABSENT["industrial area"]


def test_objects_of_a_mosaic_are_where_they_are_seen(
    full: list[Labelled], smoke_data: Path
) -> None:
    seen = 0
    for entry in mosaics(full, [], 12, seed=0):
        for variant in range(2):
            shown = entry.shown(variant, SIDE, 0, smoke_data)
            assert shown.picture.shape == (SIDE, SIDE, 3)
            for item in shown.items:
                x0, y0, x1, y1 = (round(v) for v in item.hbb)
                assert 0 <= x0 <= x1 <= SIDE
                assert 0 <= y0 <= y1 <= SIDE
                if (x1 - x0) * (y1 - y0) < 30:
                    continue
                cell = shown.picture[
                    y0 // 56 * 56 : y0 // 56 * 56 + 56,
                    x0 // 56 * 56 : x0 // 56 * 56 + 56,
                ]
                # Objects are brighter than the ground of their cell.
                assert shown.picture[y0:y1, x0:x1].mean() > np.median(cell) + 10
                seen += 1
    assert seen > 10


def test_a_blank_mosaic_has_the_same_objects(
    full: list[Labelled], scenes: list[Labelled], smoke_data: Path
) -> None:
    for entry in mosaics(full, scenes, 4, seed=1):
        shown = entry.shown(1, SIDE, 0, smoke_data)
        blank = entry.shown(1, SIDE, 0, smoke_data, blank=True)
        assert not blank.picture.any()
        assert [i.hbb for i in blank.items] == [i.hbb for i in shown.items]
        assert blank.judged == shown.judged


def test_each_part_is_judged_by_its_own_picture(
    full: list[Labelled], scenes: list[Labelled], smoke_data: Path
) -> None:
    entry = Entry((full[0], scenes[0], scenes[1], full[1]))
    shown = entry.shown(0, SIDE, 0, smoke_data)
    boxes = [box for box, _ in shown.judged]
    assert boxes == [
        (0, 0, 56, 56), (56, 0, 112, 56), (0, 56, 56, 112), (56, 56, 112, 112)
    ]  # fmt: skip
    assert [labels for _, labels in shown.judged] == [c.judged for c in entry.cells]
    for item in shown.items:  # scenes have none
        x, y = (item.hbb[0] + item.hbb[2]) / 2, (item.hbb[1] + item.hbb[3]) / 2
        assert (x < 56) == (y < 56)


def test_half_of_the_cells_are_scenes(
    full: list[Labelled], scenes: list[Labelled]
) -> None:
    cells = [c for entry in mosaics(full, scenes, 100, 0) for c in entry.cells]
    share = sum(c.sample.task == "classify" for c in cells) / len(cells)
    assert 0.4 < share < 0.6
    assert mosaics(full, scenes, 5, 0) == mosaics(full, scenes, 5, 0)
    assert mosaics(full, scenes, 5, 0) != mosaics(full, scenes, 5, 1)
