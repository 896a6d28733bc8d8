"""Small benchmarks, pictures and models, for the tests of runs and scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsvlm.errors import EngineError
from rsvlm.eval import protocols
from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.manifest import ModelEntry
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored, row
from rsvlm.samples import ImageRef, Sample, Target, Turn

#: Width and height of the pictures, px.
SIZE = (100, 80)

#: The text that was read is an accepted answer.
EXACT = {"id": "exact", "metric": "exact", "primary": True}


def exact(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    group_by: Sequence[str] = (),
    lower: bool = True,
) -> Scored:
    """Score 1 where the text that was read is an accepted answer."""
    rows = []
    for sample, prediction in zip(samples, predictions, strict=True):
        said = prediction.parsed if prediction.parsed is not None else prediction.raw
        said = said.lower() if lower else said
        right = float(prediction.answered and said in sample.answers)
        ok = bool(said)
        rows.append(
            row(sample, prediction, protocol, right, parse_ok=ok, group_by=group_by)
        )
    value = sum(item.score for item in rows) / len(rows)
    return Scored(value, tuple(rows), baselines={"nothing": 0.0})


def best_of(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score a value that is no mean of its rows: 1 where any sample is right."""
    scored = exact(samples, predictions, protocol, group_by=group_by)
    scores = [item.score for item in scored.rows]

    def on(indices: Sequence[int]) -> float:
        return max(scores[i] for i in indices)

    return Scored(max(scores), scored.rows, resample=on)


def unavailable(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    group_by: Sequence[str] = (),
) -> Scored:
    """Fail as a metric does that needs what is not there."""
    raise EngineError("There is no Java. Install it.")


def benchmark(task: str = "vqa", **fields: Any) -> Benchmark:
    """Return a benchmark with one protocol, ``exact``."""
    given: dict[str, Any] = {
        "name": "made",
        "version": 1,
        "title": "Made up",
        "source": "these tests",
        "task": task,
        "data": {"file": "made.jsonl", "license": "none"},
        "prompt": {"id": "p", "user": "{question}\nAnswer with a word."},
        "protocols": [EXACT],
    }
    return Benchmark.model_validate(given | fields)


def sample(number: int, **fields: Any) -> Sample:
    """Return a question; every two share a picture."""
    width, height = SIZE
    picture = ImageRef(path=f"p{number // 2}.png", width=width, height=height)
    given: dict[str, Any] = {
        "id": f"s{number}",
        "images": (picture,),
        "task": "vqa",
        "conversation": (Turn(role="user", text=f"Question {number}?"),),
        "answers": ("yes",),
        "source": "made",
        "licence": "none",
        "split": "test",
    }
    return Sample(**(given | fields))


def ship(number: int, box: tuple[float, float, float, float], **fields: Any) -> Sample:
    """Return a question for the place of a ship."""
    target = Target(label="ship", hbb=box)
    return sample(number, task="ground", targets=(target,), answers=(), **fields)


def pictures(folder: Path, count: int) -> Path:
    """Write the pictures of that many samples."""
    folder.mkdir(parents=True, exist_ok=True)
    width, height = SIZE
    for number in range((count + 1) // 2):
        pixels = np.full((height, width, 3), 10 * number, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number}.png")
    return folder


@dataclass
class Asker:
    """Answers by a function of the sample and the seed."""

    answer: Callable[[Sample, int | None], Prediction | str]
    is_parallel: bool = False
    name: str = "made"
    revision: str = "1"
    way: str = "model"
    asked: list[str] = field(default_factory=list)

    def entry(self) -> ModelEntry:
        return ModelEntry(name=self.name, engine="stub", revision=self.revision)

    def prepare(self, benchmark: Benchmark) -> None: ...

    def ask(
        self, benchmark: Benchmark, sample: Sample, images: Path, seed: int | None
    ) -> Prediction:
        self.asked.append(sample.id)
        said = self.answer(sample, seed)
        if isinstance(said, Prediction):
            return said
        return Prediction(id=sample.id, raw=said, parsed=said)


@dataclass(frozen=True)
class Made:
    """What the tests make things with."""

    asker: type[Asker] = Asker
    benchmark: Callable[..., Benchmark] = benchmark
    sample: Callable[..., Sample] = sample
    ship: Callable[..., Sample] = ship
    pictures: Callable[[Path, int], Path] = pictures


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Things in small; the metrics of this file are known by name."""
    metrics = {"exact": exact, "best_of": best_of, "unavailable": unavailable}
    real = protocols.find_metric
    monkeypatch.setattr(
        protocols, "find_metric", lambda name: metrics.get(name) or real(name)
    )
    return Made()
