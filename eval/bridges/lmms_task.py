"""What lmms-eval calls when it runs a task that :mod:`.lmms_eval` exported.

A reply is either the text of a model, which is read as ``rsvlm eval run`` reads it, or a
line of ``rsvlm.prediction/1``, which rsvlm's own model class gives. Each protocol is
computed once, over all replies.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from rsvlm.errors import ParseError
from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.parse import from_generation
from rsvlm.eval.protocols import apply
from rsvlm.eval.records import Prediction, to_line
from rsvlm.eval.results import finite
from rsvlm.messages import Generation
from rsvlm.raster import Raster
from rsvlm.samples import Sample

#: How a reply begins that is a prediction already.
PREDICTION = '{"schema":"rsvlm.prediction/1"'
#: Longest side of a picture that is handed to a model, px.
MAX_SIDE = 2048

Doc = Mapping[str, Any]


class Tasks:
    """The functions of all tasks in a folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder that holds the tasks; nothing is read yet."""
        self.folder = folder

    def doc_to_visual(self, doc: Doc) -> list[Any]:
        """Return the pictures of a document as RGB, at most ``MAX_SIDE`` px long."""
        from PIL import Image

        sample = sample_of(doc)
        pictures = []
        for path, image in zip(doc["images"], sample.images, strict=True):
            with Raster.open(self.folder / path, sensor=image.sensor) as raster:
                pictures.append(Image.fromarray(raster.preview(MAX_SIDE).pixels))
        return pictures

    def doc_to_text(
        self, doc: Doc, lmms_eval_specific_kwargs: Mapping[str, Any] | None = None
    ) -> str:
        """Return the words to ask; texts that a model wants around them are added."""
        around = lmms_eval_specific_kwargs or {}
        before, after = around.get("pre_prompt", ""), around.get("post_prompt", "")
        return f"{before}{doc['prompt']}{after}"

    def doc_to_target(self, doc: Doc) -> str:
        """Return the reference in words, for logs."""
        return str(doc["answer"])

    def process_results(self, doc: Doc, results: Sequence[str]) -> dict[str, Any]:
        """Read a reply; every protocol gets the same record.

        Raises:
            SettingsError: If the task asks for places and no numbers were declared.
        """
        benchmark = self.benchmark(doc["rsvlm_task"])
        prediction = read_reply(benchmark, sample_of(doc), str(results[0]))
        record = {
            "task": doc["rsvlm_task"],
            "sample": doc["sample"],
            "prediction": to_line(prediction),
        }
        return {p.id: {"protocol": p.id, **record} for p in benchmark.protocols}

    def aggregate(self, results: Sequence[Mapping[str, str]]) -> float | None:
        """Return the value of a protocol; None where it is undefined."""
        first = results[0]
        benchmark = self.benchmark(first["task"])
        protocol = next(p for p in benchmark.protocols if p.id == first["protocol"])
        samples = [Sample.model_validate_json(entry["sample"]) for entry in results]
        said = [
            Prediction.model_validate_json(entry["prediction"]) for entry in results
        ]
        scored = apply(protocol, samples, said, group_by=benchmark.group_by)
        value = finite(float(scored.value))
        return None if value is None else float(value)

    def benchmark(self, task: str) -> Benchmark:
        """Return the definition of a task.

        Raises:
            ParseError: If its file is missing or damaged.
        """
        return _benchmark(self.folder / f"{task}.benchmark.json")


def sample_of(doc: Doc) -> Sample:
    """Return the sample of a document."""
    return Sample.model_validate_json(doc["sample"])


def read_reply(benchmark: Benchmark, sample: Sample, reply: str) -> Prediction:
    """Return the prediction that a reply makes.

    Raises:
        SettingsError: If it is text, places are asked for and no numbers were declared.
    """
    if reply.startswith(PREDICTION):
        return Prediction.model_validate_json(reply)
    words = len(reply.split())
    return from_generation(benchmark, sample, Generation(reply, "stop", 0, words))


@lru_cache(maxsize=32)
def _benchmark(path: Path) -> Benchmark:
    try:
        return Benchmark.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise ParseError(
            f"{path.name} is missing or damaged. Export the benchmark again."
        ) from None
