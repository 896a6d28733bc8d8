"""Processor seconds that each text metric takes on 100,000 predictions, intervals apart.

Run it with ``python benchmarks/text_metrics.py [N]``. Replies are drawn from a few
hundred texts and, for ``distinct``, all different, since the metrics remember pairs
that they have compared.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence

from rsvlm.eval.metrics.resampling import mean_ci, resample_ci
from rsvlm.eval.metrics.text_scores import (
    calibration,
    classify,
    count,
    mcq_accuracy,
    presence,
    retrieval,
    vqa_accuracy,
)
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored
from rsvlm.samples import ImageRef, Sample

CLASSES = tuple(f"class {n}" for n in range(45))
#: Questions about one image.
PER_IMAGE = 10


def sample(number: int, answer: str, kind: str, options: tuple[str, ...]) -> Sample:
    """Return a question with one accepted answer."""
    return Sample(
        id=str(number),
        images=(ImageRef(path=f"{number // PER_IMAGE}.tif", width=8, height=8),),
        task="vqa",
        answers=(answer,),
        options=options,
        type=kind,
        relevant={f"i{number % 1000}": 1.0},
        source="made",
        licence="CC0",
        split="test",
    )


def said(texts: Sequence[str]) -> list[Prediction]:
    """Return a reply of each text, with a confidence and a short ranking."""
    return [
        Prediction(
            id=str(n),
            raw=text,
            confidence=(n % 97) / 97,
            meta={"ranking": [f"i{(n + k) % 1000}" for k in range(0, 40, 2)]},
        )
        for n, text in enumerate(texts)
    ]


def main(n: int) -> None:
    """Print one line a metric."""
    draw = random.Random(0)
    letters = [draw.choice("ABCDE") for _ in range(n)]
    numbers = [str(draw.randrange(300)) for _ in range(n)]
    names = [draw.choice(CLASSES) for _ in range(n)]
    sides = [draw.choice(("yes", "no")) for _ in range(n)]
    distinct = [f"about {number}.{position}" for position, number in enumerate(numbers)]

    def pairs(
        answers: Sequence[str], replies: Sequence[str], options: tuple[str, ...] = ()
    ) -> tuple[list[Sample], list[Prediction]]:
        kinds = [f"kind {position % 4}" for position in range(n)]
        asked = [
            sample(position, answer, kind, options)
            for position, (answer, kind) in enumerate(zip(answers, kinds, strict=True))
        ]
        return asked, said(replies)

    guesses = [draw.choice(numbers) for _ in range(n)]
    five = ("Red", "Blue", "Grey", "Green", "Not shown")
    sentences = [f"The answer is ({letter})." for letter in letters[::-1]]
    cases: dict[str, tuple[Callable[[], tuple], Callable[..., Scored]]] = {  # type: ignore[type-arg]
        "vqa exact": (lambda: pairs(numbers, guesses), vqa_accuracy),
        "vqa distinct": (lambda: pairs(numbers, distinct), vqa_accuracy),
        "mcq robust": (lambda: pairs(letters, sentences, five), mcq_accuracy),
        "classify": (lambda: pairs(names, names[::-1], CLASSES), classify),
        "presence": (lambda: pairs(sides, sides[::-1]), presence),
        "count": (lambda: pairs(numbers, guesses), count),
        "calibration": (lambda: pairs(numbers, guesses), calibration),
        "retrieval": (lambda: pairs(numbers, guesses), retrieval),
    }
    for name, (make, metric) in cases.items():
        samples, predictions = make()
        start = time.process_time()
        outcome = metric(samples, predictions, "p", group_by=["type"])
        scored = time.process_time()
        clusters = [row.cluster for row in outcome.rows]
        if outcome.resample is None:
            mean_ci([row.score for row in outcome.rows], clusters)
        else:
            resample_ci(outcome.resample, len(clusters), clusters)
        done = time.process_time()
        print(
            f"{name:14} value {outcome.value:8.4f}  scored in {scored - start:5.2f} s, "
            f"interval of 1000 resamples in {done - scored:5.2f} s"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
