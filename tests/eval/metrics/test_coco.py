"""COCO's AP: worked by hand, and equal to pycocotools and faster-coco-eval."""

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.coco import SIZES, by_size, coco_average_precision
from rsvlm.eval.metrics.pool import from_regions
from rsvlm.geometry import HBB, Region

LABELS = ("ship", "plane", "bridge")
Images = Sequence[Sequence[Region]]


def box(x: float, y: float, w: float, h: float, label: str, score: float) -> Region:
    return Region(HBB(x, y, x + w, y + h), label, score)


#: Small numbers, so that equal boxes, equal scores and IoU on a threshold are common.
sides = st.sampled_from([1, 2, 4, 5, 10, 16, 20, 40, 120])
regions = st.builds(
    box,
    st.integers(0, 30).map(float),
    st.sampled_from([0.0, 1.0, 5.0]),
    sides,
    sides,
    st.sampled_from(LABELS),
    st.sampled_from([0.1, 0.5, 0.5, 0.9, 1.0]),
)
images = st.lists(
    st.tuples(st.lists(regions, max_size=12), st.lists(regions, max_size=8)),
    min_size=1,
    max_size=4,
).filter(lambda pairs: any(true for _, true in pairs))


def annotations(listed: Images, scored: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for image, regions_ in enumerate(listed, start=1):
        for region in regions_:
            b = region.shape.hbb
            record: dict[str, Any] = {
                "id": len(found) + 1,
                "image_id": image,
                "category_id": LABELS.index(region.label) + 1,
                "bbox": [b.x0, b.y0, b.width, b.height],
                "area": b.area,
                "iscrowd": 0,
            }
            if scored:
                record["score"] = region.confidence
            found.append(record)
    return found


def peer(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the classes COCO and COCOeval of a peer."""
    if name == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        return COCO, COCOeval
    from faster_coco_eval import COCO, COCOeval_faster

    return COCO, COCOeval_faster


def evaluated(name: str, predictions: Images, references: Images) -> Any:
    """Return precision of a peer without its cap, shape (T, R, K, A)."""
    coco, evaluation = peer(name)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco()
        truth.dataset = {
            "info": {},
            "images": [{"id": i + 1} for i in range(len(references))],
            "categories": [{"id": i + 1, "name": n} for i, n in enumerate(LABELS)],
            "annotations": annotations(references, scored=False),
        }
        truth.createIndex()
        listed = annotations(predictions, scored=True)
        if not listed:
            return np.zeros((10, 101, len(LABELS), 4))
        run = evaluation(truth, truth.loadRes(listed), "bbox")
        run.params.maxDets = [1, 10, 100_000]
        run.evaluate()
        run.accumulate()
    return run.eval["precision"][..., -1]


def mean(precision: Any) -> float:
    known = precision[precision > -1]
    return float(known.mean()) if known.size else -1.0


def test_ten_thresholds_by_hand() -> None:
    # IoU 80 / 100: right at .5 to .8, seven of ten thresholds.
    result = coco_average_precision(
        [[box(0, 0, 10, 8, "ship", 1.0)]], [[box(0, 0, 10, 10, "ship", 1.0)]]
    )
    assert result.mean == pytest.approx(0.7)
    assert result.at_50 == result.at_75 == 1.0
    assert result.per_class == {"ship": pytest.approx(0.7)}


def test_recalls_are_read_at_101_points() -> None:
    references = [[box(20 * i, 0, 10, 10, "ship", 1.0) for i in range(2)]]
    predictions = [[box(0, 0, 10, 10, "ship", 1.0)]]
    # Half is found: recalls 0, .01, .., .5 are 51 of 101.
    assert coco_average_precision(predictions, references).mean == pytest.approx(
        51 / 101
    )


def test_200_perfect_boxes_of_one_image_all_count() -> None:
    many = [[box(20 * i, 0, 10, 10, "ship", 1.0) for i in range(200)]]
    assert coco_average_precision(many, many).mean == pytest.approx(1.0)


def test_classes_without_references_are_left_out() -> None:
    result = coco_average_precision(
        [[box(0, 0, 9, 9, "ship", 0.9), box(0, 0, 9, 9, "plane", 0.9)]],
        [[box(0, 0, 9, 9, "ship", 1.0)]],
    )
    assert result.mean == pytest.approx(1.0)
    assert list(result.per_class) == ["ship"]


@pytest.mark.parametrize("name", ["pycocotools", "faster_coco_eval"])
def test_of_equal_overlaps_the_reference_listed_last_is_taken(name: str) -> None:
    # The surer box overlaps both ships by 9 / 11; what it takes, the other cannot.
    ships = [box(x, 0, 10, 10, "ship", 1.0) for x in (0, 2)]
    found = [[box(1, 0, 10, 10, "ship", 0.9), box(0, 0, 10, 10, "ship", 0.8)]]
    values = []
    for truth in (ships, ships[::-1]):
        ours = coco_average_precision(found, [truth]).mean
        assert ours == pytest.approx(mean(evaluated(name, found, [truth])[..., 0]))
        values.append(ours)
    assert values[0] > values[1]


def test_unusable_input_is_refused() -> None:
    ship = box(0, 0, 9, 9, "ship", 1.0)
    with pytest.raises(SettingsError, match="0 references"):
        coco_average_precision([[ship]], [[]])
    with pytest.raises(SettingsError, match="2 predictions for 1 references"):
        coco_average_precision([[ship], []], [[ship]])
    with pytest.raises(SettingsError, match="not a number"):
        coco_average_precision([[box(0, 0, 9, 9, "ship", float("nan"))]], [[ship]])


@pytest.mark.parametrize("name", ["pycocotools", "faster_coco_eval"])
@settings(deadline=None, max_examples=40)
@given(images)
def test_equal_to_the_peers(
    name: str, pairs: list[tuple[list[Region], list[Region]]]
) -> None:
    predictions, references = [p for p, _ in pairs], [r for _, r in pairs]
    ours = coco_average_precision(predictions, references)
    precision = evaluated(name, predictions, references)
    everything = precision[..., 0]
    if not any(predictions):  # the peers do not load an empty list
        assert ours.mean == 0.0
        return
    assert ours.mean == pytest.approx(mean(everything), abs=1e-6)
    assert ours.at_50 == pytest.approx(mean(everything[0]), abs=1e-6)
    assert ours.at_75 == pytest.approx(mean(everything[5]), abs=1e-6)
    for index, label in enumerate(LABELS):
        assert ours.per_class.get(label, -1.0) == pytest.approx(
            mean(everything[:, :, index]), abs=1e-6
        )


#: On both sides of 32 x 32 and of 96 x 96 pixels, and overlapping a lot.
around = st.sampled_from([30, 32, 33, 35])
near_sizes = st.builds(
    box,
    st.integers(0, 6).map(float),
    st.just(0.0),
    around,
    around,
    st.just("ship"),
    st.sampled_from([0.3, 0.6, 0.9]),
)


@pytest.mark.parametrize("name", ["pycocotools", "faster_coco_eval"])
@settings(deadline=None, max_examples=40)
@given(
    st.lists(near_sizes, min_size=1, max_size=6),
    st.lists(near_sizes, min_size=1, max_size=5),
    st.sampled_from([1.0, 3.0]),
)
def test_sizes_are_equal_to_the_peers(
    name: str, found: list[Region], truth: list[Region], scale: float
) -> None:
    sides = [
        [[Region(r.shape.hbb.scale(scale, scale), r.label, r.confidence) for r in side]]
        for side in (found, truth)
    ]
    names: dict[str, int] = {}
    sizes = by_size(*(from_regions(side, names) for side in sides))
    precision = evaluated(name, *sides)
    for area, size in enumerate(SIZES, start=1):
        value = sizes[size]
        assert (-1.0 if value is None else value) == pytest.approx(
            mean(precision[..., area]), abs=1e-6
        ), size


def test_equal_to_the_peers_on_a_crowded_random_set() -> None:
    random = np.random.default_rng(0)

    def scene(count: int, jitter: float) -> list[Region]:
        places = np.random.default_rng(7).uniform(0, 400, (count, 2))
        places += random.normal(0, jitter, places.shape)
        return [
            box(x, y, 30, 20, LABELS[i % 3], float(random.random()))
            for i, (x, y) in enumerate(places.tolist())
        ]

    references = [scene(150, 0) for _ in range(3)]
    predictions = [scene(200, 2) for _ in range(3)]
    expected = mean(evaluated("faster_coco_eval", predictions, references)[..., 0])
    assert 0.05 < expected < 0.95
    assert coco_average_precision(predictions, references).mean == pytest.approx(
        expected, abs=1e-6
    )
