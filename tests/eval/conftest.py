"""Runs in small, written as ``rsvlm eval run`` leaves them."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsvlm.eval.records import Prediction, ScoreRow, to_line
from rsvlm.eval.results import Result, write_results
from rsvlm.samples import ImageRef, Sample, Turn

MakeRun = Callable[..., Path]


def sample(number: int, **fields: Any) -> Sample:
    """Return sample s0, s1, ...; two samples share an image of 64 x 48 px."""
    image = ImageRef(path=f"images/{number // 2}.png", width=64, height=48)
    kinds = ("even", "odd")
    values: dict[str, Any] = {
        "id": f"s{number}",
        "images": (image,),
        "task": "vqa",
        "conversation": (Turn(role="user", text=f"Question {number}?"),),
        "answers": ("yes",),
        "type": kinds[number % 2],
        "source": "made up",
        "licence": "CC0-1.0",
        "split": "test",
    }
    return Sample(**(values | fields))


def write_images(folder: Path, count: int) -> None:
    """Write pictures 0.png, 1.png, ... of 64 x 48 px."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.full((48, 64, 3), 40 + 20 * (number % 8), dtype=np.uint8)
        pixels[::4] = 200
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")


def write_run(
    folder: Path,
    scores: Sequence[float],
    *,
    benchmark: str = "toy",
    model: str = "model-a",
    samples: Sequence[Sample] | None = None,
    predictions: Sequence[Prediction] | None = None,
    manifest: dict[str, Any] | None = None,
    ids: Sequence[str] | None = None,
    **fields: Any,
) -> Path:
    """Write a run of one benchmark and one protocol; return its folder."""
    asked = list(samples or [sample(number) for number in range(len(scores))])
    if ids is not None:
        asked = [
            s.model_copy(update={"id": i}) for s, i in zip(asked, ids, strict=True)
        ]
    said = predictions or [
        Prediction(id=s.id, raw="yes" if score else "no", confidence=0.5)
        for s, score in zip(asked, scores, strict=True)
    ]
    protocol = fields.get("protocol", "exact")
    rows = [
        ScoreRow(
            id=s.id,
            protocol=protocol,
            score=score,
            group={"type": str(s.type)},
            cluster=s.images[0].path,
        )
        for s, score in zip(asked, scores, strict=True)
    ]
    part = folder / benchmark
    part.mkdir(parents=True)
    for name, records in (("predictions", said), ("scores", rows)):
        text = "".join(f"{to_line(record)}\n" for record in records)
        (part / f"{name}.jsonl").write_text(text)
    lines = "".join(f"{s.model_dump_json(by_alias=True)}\n" for s in asked)
    (part / "samples.jsonl").write_text(lines)
    values: dict[str, Any] = {
        "benchmark": benchmark,
        "protocol": protocol,
        "primary": True,
        "n": len(scores),
        "value": sum(scores) / len(scores),
    }
    write_results(part / "metrics.json", [Result(**(values | fields))])
    content = {"model": {"name": model}} | (manifest or {})
    (folder / "run.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes a run: ``make_run("a", [1, 0, 1])``."""

    def make(name: str, scores: Sequence[float], **fields: Any) -> Path:
        return write_run(tmp_path / name, scores, **fields)

    return make


@pytest.fixture
def make_sample() -> Callable[..., Sample]:
    """Returns a sample: ``make_sample(3, task="ground")``."""
    return sample


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """A folder with the images of the first 20 samples."""
    write_images(tmp_path / "data", 10)
    return tmp_path / "data"
