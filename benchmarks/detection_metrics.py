"""How long scoring 100,000 detections takes, beside faster-coco-eval in the same run.

Run: ``python benchmarks/detection_metrics.py [--images 1000] [--rounds 3]``. Both sides
start from the same boxes in memory, ours as ``rsvlm.prediction/1`` records, the peer's
as its annotation dicts, and go all the way to the numbers. They take turns (A B A B),
because machines are noisy; the ratio of the medians is what counts. Two comparisons:
COCO's full table (AP at ten thresholds, by class, and of three sizes) and AP alone.
Processor time is printed too: on a busy machine it is the steadier number.
"""

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rsvlm.eval.metrics import coco
from rsvlm.eval.metrics.curves import rank
from rsvlm.eval.metrics.pool import match
from rsvlm.eval.metrics.record_shapes import listed, prediction_pool, reference_pool
from rsvlm.eval.metrics.region_scores import (
    detection,
    grounding,
    multi_reference,
    rotated_grounding,
)
from rsvlm.eval.records import Box, Prediction
from rsvlm.samples import ImageRef, Sample, Target

LABELS = tuple(f"class {index}" for index in range(10))
SIDE = 1000  # px
#: Detections and objects of an image.
GIVEN, TRUE = 100, 40

Boxes = list[tuple[list[float], str, float]]


def scenes(images: int) -> list[tuple[Boxes, Boxes]]:
    """Return detections and objects of each image: most objects are found, roughly."""
    random = np.random.default_rng(0)
    made = []
    for _ in range(images):
        low = random.uniform(0, SIDE - 80, (TRUE, 2))
        true = np.hstack([low, low + random.uniform(10, 80, (TRUE, 2))])
        label = random.integers(0, len(LABELS), TRUE)
        source = random.integers(0, TRUE, GIVEN)
        given = true[source] + random.normal(0, 4, (GIVEN, 4))
        low, high = np.sort(given.reshape(-1, 2, 2), axis=1).transpose(1, 0, 2)
        # float32: the peer keeps scores as such, and ties must be the same ties.
        score = random.random(GIVEN).astype(np.float32).astype(float)
        made.append(
            (
                plain(np.hstack([low, high]), label[source], score),
                plain(true, label, np.ones(TRUE)),
            )
        )
    return made


def plain(boxes: Any, labels: Any, scores: Any) -> Boxes:
    """Return rows of numpy arrays as plain numbers."""
    columns = zip(boxes.tolist(), labels.tolist(), scores.tolist(), strict=True)
    return [(box, LABELS[label], score) for box, label, score in columns]


def records(made: list[tuple[Boxes, Boxes]]) -> tuple[list[Sample], list[Prediction]]:
    """Return the scenes as our records."""
    samples, predictions = [], []
    for index, (given, true) in enumerate(made):
        name = f"image-{index}"
        targets = tuple(
            Target(label=label, hbb=(box[0], box[1], box[2], box[3]))
            for box, label, _ in true
        )
        image = ImageRef(path=f"{name}.tif", width=SIDE, height=SIDE)
        samples.append(
            Sample(
                id=name,
                images=(image,),
                task="detect",
                targets=targets,
                source="benchmark",
                licence="none",
                split="test",
            )
        )
        boxes = tuple(
            Box(points=((b[0], b[1]), (b[2], b[3])), label=label, score=score)
            for b, label, score in given
        )
        predictions.append(
            Prediction(id=name, parsed="boxes", coord_space="pixel", boxes=boxes)
        )
    return samples, predictions


def annotations(made: list[tuple[Boxes, Boxes]], side: int) -> list[dict[str, Any]]:
    """Return one side of the scenes as the peer's annotations."""
    found: list[dict[str, Any]] = []
    for image, pair in enumerate(made, start=1):
        for (x0, y0, x1, y1), label, score in pair[side]:
            found.append(
                {
                    "id": len(found) + 1,
                    "image_id": image,
                    "category_id": LABELS.index(label) + 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                    "score": score,
                }
            )
    return found


def peer(
    images: int, given: list[dict[str, Any]], true: list[dict[str, Any]], full: bool
) -> float:
    """Return the AP that faster-coco-eval finds, without its cap."""
    from faster_coco_eval import COCO, COCOeval_faster

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": i + 1} for i in range(images)],
            "categories": [{"id": i + 1, "name": n} for i, n in enumerate(LABELS)],
            "annotations": true,
        }
        truth.createIndex()
        run = COCOeval_faster(truth, truth.loadRes(given), "bbox")
        run.params.maxDets = [100_000]
        if not full:
            run.params.areaRng = run.params.areaRng[:1]
            run.params.areaRngLbl = run.params.areaRngLbl[:1]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, 0, -1]
    return float(precision[precision > -1].mean())


def ap_alone(samples: list[Sample], predictions: list[Prediction]) -> float:
    """Return COCO's AP of our records, without the three sizes."""
    labels: dict[str, int] = {}
    true = reference_pool(samples, labels, "hbb")
    given, _ = prediction_pool(listed(predictions), labels, "hbb")
    found = match(given, true, coco.THRESHOLDS, order="coco")
    return float(np.nanmean(rank(given, true, found, len(labels)).interpolated()))


class Timing(NamedTuple):
    """Median wall and processor seconds of a function, and its value."""

    wall: float
    processor: float
    value: float


def timed(*runs: Callable[[], float], rounds: int) -> list[Timing]:
    """Return the timing of each function; they take turns."""
    spent: list[list[tuple[float, float]]] = [[] for _ in runs]
    values = [0.0 for _ in runs]
    for _ in range(rounds):
        for index, run in enumerate(runs):
            start = time.perf_counter(), time.process_time()
            values[index] = run()
            spent[index].append(
                (time.perf_counter() - start[0], time.process_time() - start[1])
            )
    return [
        Timing(
            statistics.median(wall for wall, _ in seconds),
            statistics.median(processor for _, processor in seconds),
            value,
        )
        for seconds, value in zip(spent, values, strict=True)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    made = scenes(options.images)
    samples, predictions = records(made)
    given, true = annotations(made, 0), annotations(made, 1)
    print(f"{len(given)} detections, {len(true)} objects, {options.images} images")

    def ours(variant: Any = "coco") -> float:
        return detection(samples, predictions, "p", variant=variant).value

    for name, mine, full in (
        ("COCO's table", ours, True),
        ("AP alone", lambda: ap_alone(samples, predictions), False),
    ):
        ours_took, peer_took = timed(
            mine,
            lambda full=full: peer(options.images, given, true, full),  # type: ignore[misc]
            rounds=options.rounds,
        )
        print(
            f"{name:15} rsvlm {ours_took.wall:6.2f} s  faster-coco-eval "
            f"{peer_took.wall:6.2f} s  {peer_took.wall / ours_took.wall:5.2f} x as fast "
            f"(processor time {peer_took.processor / ours_took.processor:.2f} x)  "
            f"difference of AP {abs(ours_took.value - peer_took.value):.1e}"
        )
    for variant in ("voc50", "ap_nc", "mf1", "ordered"):
        (took,) = timed(lambda variant=variant: ours(variant), rounds=1)  # type: ignore[misc]
        print(
            f"{variant:15} rsvlm {took.wall:6.2f} s, processor {took.processor:6.2f} s"
        )
    single(made)


def single(made: list[tuple[Boxes, Boxes]]) -> None:
    """Print how long one box a sample takes, over as many samples as detections."""
    image = ImageRef(path="a.tif", width=SIDE, height=SIDE)
    samples, predictions = [], []
    for row, (given, true) in enumerate(made):
        for number, (b, label, _) in enumerate(given):
            t = true[number % TRUE][0]
            name = f"{row}-{number}"
            samples.append(
                Sample(
                    id=name,
                    images=(image,),
                    task="ground",
                    targets=(Target(label=label, hbb=(t[0], t[1], t[2], t[3])),),
                    source="benchmark",
                    licence="none",
                    split="test",
                )
            )
            corners = ((b[0], b[1]), (b[2], b[1]), (b[2] + 1, b[3]), (b[0] + 1, b[3]))
            predictions.append(
                Prediction(
                    id=name,
                    parsed="box",
                    coord_space="pixel",
                    boxes=(Box(points=corners),),
                )
            )
    for metric in (grounding, rotated_grounding, multi_reference):
        (took,) = timed(
            lambda metric=metric: metric(samples, predictions, "p").value,  # type: ignore[misc]
            rounds=1,
        )
        print(
            f"{metric.__name__:17} {len(samples)} samples {took.wall:6.2f} s, processor "
            f"{took.processor:6.2f} s"
        )


if __name__ == "__main__":
    main()
