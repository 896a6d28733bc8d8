"""The first benchmarks: scenes, presence, grounding, detection, counts.

Every question goes through :meth:`Assistant.ask`, as a user's would. Each score stands
beside its trivial baseline, and what the language model alone would have said is
measured in the same run.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rsvlm.answer import Answer
from rsvlm.assistant import Assistant
from rsvlm.codec import RsvlmCodec
from rsvlm.engines.base import Engine
from rsvlm.errors import SettingsError
from rsvlm.eval.metrics import classification, counting, detection, grounding, vqa
from rsvlm.eval.metrics.intervals import bootstrap_ci, by_cluster, wilson
from rsvlm.eval.report import Score, markdown
from rsvlm.geometry import HBB, Region, Window
from rsvlm.labels import SCENES
from rsvlm.messages import Generation, Message
from rsvlm.models.finder import RegionFinder
from rsvlm.raster import Raster
from rsvlm.samples import Sample, read_samples

#: Kinds of questions that are asked; captions have no metric here.
KINDS = ("scene", "presence", "count", "ground", "detect")
#: Confidence from which candidates enter the ranking of average precision.
LOOSE = 0.01


class Recorder:
    """An engine that remembers its last reply, so that both can be measured."""

    def __init__(self, engine: Engine) -> None:
        """Wrap an engine."""
        self.engine = engine
        self.last = ""
        self.name, self.kind, self.revision = engine.name, engine.kind, engine.revision
        self.capabilities = engine.capabilities

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        """Pass the call on."""
        generation = self.engine.generate(
            messages,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            stop=stop,
            on_text=on_text,
        )
        self.last = generation.text
        return generation


@dataclass(frozen=True)
class Record:
    """One question with both answers."""

    sample: Sample
    answer: Answer
    spoken: str
    candidates: tuple[Region, ...] = ()

    @property
    def image(self) -> str:
        """The picture, which clusters the errors."""
        return self.sample.images[0].path

    @property
    def kind(self) -> str:
        """Kind of the question."""
        return str(self.sample.meta.get("kind", self.sample.task))

    def spoken_boxes(self) -> list[Region]:
        """Return the boxes that the language model wrote, in raster pixels."""
        ref = self.sample.images[0]
        window = Window.whole(ref.width, ref.height, ref.width, ref.height)
        return RsvlmCodec().parse(self.spoken, window)


def run(
    assistant: Assistant,
    folder: Path,
    split: str,
    out: Path,
    limit: int | None = None,
    kinds: Collection[str] = KINDS,
    say: Callable[[str], None] = lambda line: None,
) -> str:
    """Ask every question of a split and score the answers.

    Args:
        assistant: What is measured.
        folder: Folder written by ``rsvlm data build tiny``.
        split: ``"val"`` or ``"test"``.
        out: Folder for ``predictions.jsonl``, ``metrics.json`` and ``report.md``.
        limit: Only the first pictures of each source.
        kinds: Which of ``KINDS`` to ask.
        say: Called with a line of progress.

    Returns:
        The table as Markdown.

    Raises:
        SettingsError: If the folder has no records of that split.
    """
    path = folder / f"{split}.jsonl"
    if not path.is_file():
        raise SettingsError(f"{path} is missing. Run: rsvlm data build tiny --out DIR.")
    samples = _chosen(read_samples(path), kinds, limit)
    out.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(assistant.engine)
    asked = replace(assistant, engine=recorder)
    records = []
    with (out / "predictions.jsonl").open("w", encoding="utf-8") as file:
        for number, sample in enumerate(samples, start=1):
            record = _ask(asked, recorder, sample, folder)
            records.append(record)
            file.write(_line(record) + "\n")
            file.flush()
            if number % 50 == 0 or number == len(samples):
                say(f"{number}/{len(samples)} questions")
    train = list(read_samples(folder / "train.jsonl"))
    scores = [*_scores(records, train)]
    _write(out / "metrics.json", json.dumps([s.model_dump() for s in scores], indent=1))
    table = markdown(scores)
    _write(out / "report.md", table + "\n")
    return table


def _chosen(
    samples: Iterator[Sample], kinds: Collection[str], limit: int | None
) -> list[Sample]:
    """Return the samples with a metric: one expression, one object when grounding."""
    wanted = [
        sample
        for sample in samples
        if sample.meta.get("kind", sample.task) in kinds
        and (sample.task != "ground" or len(sample.targets) == 1)
        and (sample.task != "vqa" or sample.meta.get("label") not in SCENES)
    ]
    if limit is None:
        return wanted
    seen: dict[str, dict[str, None]] = defaultdict(dict)
    for sample in wanted:
        seen[sample.source][sample.images[0].path] = None
    kept = {p for paths in seen.values() for p in list(paths)[:limit]}
    return [s for s in wanted if s.images[0].path in kept]


def _ask(
    assistant: Assistant, recorder: Recorder, sample: Sample, folder: Path
) -> Record:
    question = sample.conversation[0].text
    with Raster.open(folder / sample.images[0].path, sensor="optical") as raster:
        answer = assistant.ask([raster], question, sample.task)
        spoken = recorder.last
        candidates: tuple[Region, ...] = ()
        if sample.task == "detect" and isinstance(assistant.finder, RegionFinder):
            loose = replace(assistant, finder=assistant.finder.loosened(LOOSE))
            candidates = tuple(loose.ask([raster], question, "detect").to_regions())
    return Record(sample, answer, spoken, candidates)


def _line(record: Record) -> str:
    fields = {
        "schema": "rsvlm.prediction/1",
        "id": record.sample.id,
        "raw": record.spoken,
        "status": "ok",
        "answer": json.loads(record.answer.to_json()),
    }
    return json.dumps(fields)


def _scores(records: Sequence[Record], train: Sequence[Sample]) -> Iterator[Score]:
    by_kind: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_kind[record.kind].append(record)
    if by_kind["scene"]:
        yield _scene(by_kind["scene"])
    if by_kind["presence"]:
        yield from _presence(by_kind["presence"])
    if by_kind["ground"]:
        yield from _ground(by_kind["ground"], train)
    if by_kind["detect"]:
        yield from _detect(by_kind["detect"])
    if by_kind["count"]:
        yield from _count(by_kind["count"], train)


def _scene(records: Sequence[Record]) -> Score:
    truth = [record.sample.answers[0] for record in records]
    said = [
        None
        if record.answer.abstained
        else classification.read_class(record.answer.text, list(SCENES))
        for record in records
    ]
    value = classification.accuracy(said, truth)
    hits = round(value * len(truth))
    most = Counter(truth).most_common(1)[0][1] / len(truth)
    per_class = classification.per_class_accuracy(said, truth)
    return Score(
        name="RSSCN7 scene class",
        protocol="accuracy, canonical names, whole reply, abstention wrong",
        value=value,
        n=len(truth),
        ci95=wilson(hits, len(truth)),
        baseline={"majority": most},
        groups=dict(per_class),
    )


def _presence(records: Sequence[Record]) -> Iterator[Score]:
    truth = [record.sample.answers[0] == "yes" for record in records]
    images = [record.image for record in records]
    for name, texts in (
        ("answer", [record.answer.text for record in records]),
        ("language model alone", [record.spoken for record in records]),
    ):
        said = [vqa.parse_yes_no(text) for text in texts]
        pairs = list(zip(said, truth, strict=True))
        yield Score(
            name=f"VHR-10 presence, {name}",
            protocol="balanced accuracy, 10 classes an image",
            value=_balanced(pairs),
            n=len(pairs),
            ci95=bootstrap_ci(by_cluster(pairs, images), _balanced),
            baseline={"always yes": 0.5},
        )


def _balanced(pairs: Sequence[tuple[bool | None, bool]]) -> float:
    said, truth = zip(*pairs, strict=True)
    return classification.balanced_accuracy(said, truth)


def _ground(records: Sequence[Record], train: Sequence[Sample]) -> Iterator[Score]:
    truth = [HBB(*record.sample.targets[0].hbb) for record in records]
    images = [record.image for record in records]
    mean = _mean_box(train)
    guesses = [
        HBB(*(v * s for v, s in zip(mean, (i.width, i.height) * 2, strict=True)))
        for i in (record.sample.images[0] for record in records)
    ]
    found = [_best(record.answer.to_regions()) for record in records]
    written = [_best(record.spoken_boxes()) for record in records]
    for name, boxes in (("region head", found), ("text boxes alone", written)):
        pairs = list(zip(boxes, truth, strict=True))
        yield Score(
            name=f"VHR-10 grounding, {name}",
            protocol="Acc@0.5, classes with one instance in the image, best box",
            value=_acc(pairs),
            n=len(pairs),
            ci95=bootstrap_ci(by_cluster(pairs, images), _acc),
            baseline={"mean box": grounding.accuracy_at(guesses, truth)},
            groups={"mean IoU": grounding.mean_iou(boxes, truth)},
        )


def _acc(pairs: Sequence[tuple[HBB | None, HBB]]) -> float:
    boxes, truth = zip(*pairs, strict=True)
    return grounding.accuracy_at(boxes, truth)


def _best(regions: Sequence[Region]) -> HBB | None:
    if not regions:
        return None
    return max(regions, key=lambda region: region.confidence).shape.hbb


def _mean_box(train: Sequence[Sample]) -> tuple[float, float, float, float]:
    """Return the mean box of the training objects in shares of the image."""
    sums, count = [0.0] * 4, 0
    for sample in train:
        if sample.task != "detect":
            continue
        size = (sample.images[0].width, sample.images[0].height) * 2
        for target in sample.targets:
            count += 1
            for i, (value, whole) in enumerate(zip(target.hbb, size, strict=True)):
                sums[i] += value / whole
    a, b, c, d = (value / max(count, 1) for value in sums)
    return a, b, c, d


def _detect(records: Sequence[Record]) -> Iterator[Score]:
    truth = [
        [Region(HBB(*t.hbb), t.label) for t in record.sample.targets]
        for record in records
    ]
    for name, found in (
        ("all candidates", [list(record.candidates) for record in records]),
        ("regions of the answer", [r.answer.to_regions() for r in records]),
    ):
        result = detection.mean_average_precision(found, truth)
        matched = [
            detection.match_by_label(f, t) for f, t in zip(found, truth, strict=True)
        ]
        yield Score(
            name=f"VHR-10 detection, {name}",
            protocol="mAP50, VOC area, ten classes",
            value=result.mean,
            n=sum(map(len, truth)),
            ci95=_map_interval(records, matched),
            baseline={"nothing": 0.0},
            groups=dict(result.per_class),
        )


def _map_interval(
    records: Sequence[Record], matched: Sequence[Any]
) -> tuple[float, float] | None:
    clusters = by_cluster(matched, [record.image for record in records])
    return bootstrap_ci(
        clusters, lambda parts: detection.pooled_mean_average_precision(parts).mean, 200
    )


def _count(records: Sequence[Record], train: Sequence[Sample]) -> Iterator[Score]:
    truth = [int(record.sample.answers[0]) for record in records]
    common = Counter(
        int(s.answers[0]) for s in train if s.task == "count" and s.answers
    ).most_common(1)[0][0]
    spoken = [
        int(record.spoken) if record.spoken.strip().isdigit() else None
        for record in records
    ]
    for name, said in (
        ("region head", [record.answer.count for record in records]),
        ("language model alone", spoken),
    ):
        value = counting.exact(said, truth)
        yield Score(
            name=f"VHR-10 count, {name}",
            protocol="exact",
            value=value,
            n=len(truth),
            ci95=wilson(round(value * len(truth)), len(truth)),
            baseline={f"always {common}": sum(t == common for t in truth) / len(truth)},
            groups={"MAE": counting.mean_absolute_error(said, truth)},
        )


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)
