"""Scores of masks from records."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.mask_scores import reference_mask
from rsvlm.eval.metrics.region_scores import segmentation
from rsvlm.eval.records import Box, Prediction
from rsvlm.geometry import Mask
from rsvlm.samples import ImageRef, MaskRle, Sample, Target

#: Rows and columns of every image.
H, W = 10, 20


def pixels(*blocks: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    array = np.zeros((H, W), dtype=bool)
    for x0, y0, x1, y1 in blocks:
        array[y0:y1, x0:x1] = True
    return array


def rle(array: NDArray[np.bool_]) -> MaskRle:
    mask = Mask.from_array(array)
    return MaskRle(size=mask.size, counts=mask.counts)


def sample(name: str, array: NDArray[np.bool_] | None = None, **extra: Any) -> Sample:
    return Sample(
        id=name,
        images=(ImageRef(path=f"{name}.tif", width=W, height=H),),
        task="segment",
        mask=None if array is None else rle(array),
        source="made",
        licence="none",
        split="test",
        **extra,
    )


def said(name: str, array: NDArray[np.bool_] | None = None, **extra: Any) -> Prediction:
    mask = None if array is None else rle(array)
    return Prediction(id=name, mask=mask, **{"parsed": "there", **extra})


BLOCK = pixels((0, 0, 10, 10))
#: IoU 1, 1/2, not read; rightly nothing, wrongly something, failed on nothing.
SAMPLES = [
    *(sample(name, BLOCK, type="object") for name in "abc"),
    *(sample(name, type="none") for name in "def"),
]
REPLIES = [
    said("a", BLOCK),
    said("b", pixels((0, 0, 10, 5))),
    said("c", parsed=None),
    said("d"),
    said("e", pixels((0, 0, 2, 2))),
    said("f", status="error"),
]


def value(name: str, **extra: Any) -> float:
    return segmentation(SAMPLES, REPLIES, "p", value=name, **extra).value


def test_values_by_hand() -> None:
    assert value("giou") == pytest.approx((1 + 0.5 + 0 + 1 + 0 + 0) / 6)
    assert value("miou") == pytest.approx((1 + 0.5) / 6)
    # Shared 100 + 50; covered 100 + 100 + 100 + 0 + 4 + 0.
    assert value("ciou") == pytest.approx(150 / 304)
    assert value("p@0.5") == pytest.approx(3 / 6)
    assert value("p@0.5", strict=True) == pytest.approx(2 / 6)
    assert value("p@0.5", both_empty=0.0) == pytest.approx(2 / 6)
    assert value("p@0.9") == pytest.approx(2 / 6)
    assert value("n_acc") == pytest.approx(1 / 3)


def test_rows_parts_and_baselines() -> None:
    scored = segmentation(SAMPLES, REPLIES, "giou", group_by=("type",))
    assert [line.score for line in scored.rows] == [1, 0.5, 0, 1, 0, 0]
    assert [line.parse_ok for line in scored.rows] == [1, 1, 0, 1, 1, 0]
    assert scored.groups == {"type=none": 1 / 3, "type=object": 0.5}
    # The whole image is half right three times; nothing is right three times.
    assert scored.baselines == pytest.approx({"whole image": 1.5 / 6, "nothing": 0.5})
    assert scored.details["without_target"] == 3
    assert scored.details["p@0.5"] == pytest.approx(3 / 6)
    assert scored.resample is None
    curve = scored.plots["acc_iou"]
    assert curve["accuracy"][curve["thresholds"].index(0.5)] == pytest.approx(3 / 6)


def test_ratios_are_resampled_as_ratios() -> None:
    cum = segmentation(SAMPLES, REPLIES, "p", value="ciou").resample
    assert cum is not None
    assert cum([0, 1, 1]) == pytest.approx(200 / 300)
    absent = segmentation(SAMPLES, REPLIES, "p", value="n_acc").resample
    assert absent is not None
    assert absent([0, 3, 3, 4]) == pytest.approx(2 / 3)
    with pytest.raises(SettingsError, match="0 samples without target"):
        absent([0, 1])


def test_n_acc_without_such_samples_is_undefined() -> None:
    with pytest.raises(SettingsError, match="0 samples without target"):
        segmentation(SAMPLES[:3], REPLIES[:3], "p", value="n_acc")
    scored = segmentation(SAMPLES, REPLIES, "p", value="n_acc", group_by=("type",))
    assert list(scored.groups) == ["type=none"]


def test_polygons_are_drawn_by_the_centres_of_pixels() -> None:
    # 0.4 .. 3.6 covers the centres 0.5, 1.5, 2.5 and 3.5.
    ring = (0.4, 0.4, 3.6, 0.4, 3.6, 2.4, 0.4, 2.4)
    other = (10.0, 0.0, 12.0, 0.0, 12.0, 1.0, 10.0, 1.0)
    targets = (
        Target(label="ship", hbb=(0.4, 0.4, 3.6, 2.4), polygons=(ring,)),
        Target(label="ship", hbb=(10, 0, 12, 1), polygons=(other,)),
    )
    drawn = reference_mask(sample("a", targets=targets)).to_array()
    assert (drawn == pixels((0, 0, 4, 2), (10, 0, 12, 1))).all()


def test_a_box_is_no_mask() -> None:
    boxed = sample("a", targets=(Target(label="ship", hbb=(0, 0, 4, 4)),))
    with pytest.raises(SettingsError, match="'a' has a target 'ship' without polygon"):
        segmentation([boxed], REPLIES[:1], "p")
    # A reply of boxes alone says where something is, so it is no claim of nothing.
    reply = Prediction(id="d", boxes=(Box(points=((0, 0), (5, 5))),), parsed="x")
    assert segmentation([sample("d")], [reply], "p").value == 0.0


def test_masks_of_another_size_are_refused() -> None:
    small = Mask.from_array(np.ones((5, 10), dtype=bool))
    reply = Prediction(id="a", mask=MaskRle(size=small.size, counts=small.counts))
    with pytest.raises(SettingsError, match="prediction 'a' has 5 rows and 10 columns"):
        segmentation(SAMPLES[:1], [reply], "p")
    with pytest.raises(SettingsError, match="sample 'a' has 5 rows and 10 columns"):
        reference_mask(SAMPLES[0].model_copy(update={"mask": reply.mask}))


@pytest.mark.parametrize("counts", ["", "z", "0", "100", "\u00e9", "PPPPPPPPPPPP"])
def test_broken_run_lengths_are_refused(counts: str) -> None:
    reply = Prediction(id="a", mask=MaskRle(size=(H, W), counts=counts))
    with pytest.raises(SettingsError, match="prediction 'a' is no compressed COCO"):
        segmentation(SAMPLES[:1], [reply], "p")


@pytest.mark.parametrize("name", ["iou", "p@", "p@2", "p@x", "P@0.5"])
def test_unknown_values_are_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="Unknown value"):
        value(name)


def test_random_masks_equal_sets_of_pixels() -> None:
    random = np.random.default_rng(5)
    arrays = random.random((2, 12, H, W)) < random.random((2, 12, 1, 1))
    samples = [sample(str(i), array) for i, array in enumerate(arrays[0])]
    replies = [said(str(i), array) for i, array in enumerate(arrays[1])]
    shared = (arrays[0] & arrays[1]).sum(axis=(1, 2))
    union = (arrays[0] | arrays[1]).sum(axis=(1, 2))
    rows = segmentation(samples, replies, "p").rows
    assert [line.score for line in rows] == pytest.approx((shared / union).tolist())
    cum = segmentation(samples, replies, "p", value="ciou").value
    assert cum == pytest.approx(shared.sum() / union.sum())
