"""Asks encoders alone: classes, choices and rankings without a language model.

A class is the one whose texts lie nearest to the picture (zero-shot, with an ensemble
of wordings); a ranking orders the items of a gallery by their nearness to the query. A
sample of several images, such as an optical and a radar one of a place, is the mean of
their unit vectors.

Source:
    Zero-shot classification: CLIP, https://arxiv.org/abs/2103.00020.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rsvlm.embedding import Embedder, Vectors, class_vectors, unit
from rsvlm.errors import RsvlmError, SettingsError
from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.gallery import Gallery, Whole, is_text, members, samples_beside
from rsvlm.eval.manifest import ModelEntry
from rsvlm.eval.metrics.mcq import option_text
from rsvlm.eval.picture_vectors import PictureVectors
from rsvlm.eval.questions import letter, question_of
from rsvlm.eval.records import Prediction
from rsvlm.eval.vector_cache import VectorCache
from rsvlm.labels import FORMS
from rsvlm.samples import Sample

#: Tasks of benchmarks that encoders can be asked.
TASKS = ("classify", "mcq", "retrieve")
#: Most items of a ranking that a prediction lists.
LISTED = 1000
#: Items named as the text of a reply.
SHOWN = 10
#: Time between two lines of progress while a gallery is encoded, s.
SAY_EVERY_S = 10.0

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass
class EncoderAsker:
    """Encoders of pictures and texts, asked without a language model.

    Attributes:
        embedder: The encoders.
        spec: What was given as the model.
        cache: Where vectors of images outlive the run.
        stamp: What tells the encoders from others besides their name and revision.
        find: Gives every sample of a benchmark, by the folder of its images.
        say: Called with a line of progress while a gallery is encoded.
    """

    embedder: Embedder
    spec: str = ""
    cache: VectorCache | None = None
    stamp: str = ""
    find: Callable[[Benchmark, Path], Sequence[Sample]] = samples_beside
    say: Callable[[str], None] = lambda line: None
    is_parallel: bool = False
    way: ClassVar[str] = "encoder"

    def __post_init__(self) -> None:
        self._pictures = PictureVectors(self.embedder, self.cache, self.stamp)
        self._wholes: dict[tuple[str, Path], Whole] = {}
        self._galleries: dict[tuple[str, Path, str | None], Gallery] = {}
        self._classes: dict[tuple[str, str], Vectors] = {}

    def entry(self) -> ModelEntry:
        """Return what the manifest says of it."""
        return ModelEntry(
            name=self.embedder.name,
            spec=self.spec,
            engine="encoder",
            revision=self.embedder.revision,
        )

    def prepare(self, benchmark: Benchmark) -> None:
        """Refuse a benchmark whose answers are no classes, choices or rankings."""
        if benchmark.task not in TASKS:
            raise SettingsError(
                f"{benchmark.name} asks for {benchmark.task!r}, encoders alone give "
                f"{', '.join(TASKS)}. Measure a checkpoint with --model PATH instead."
            )

    def ask(
        self, benchmark: Benchmark, sample: Sample, images: Path, seed: int | None
    ) -> Prediction:
        """Return the class, the choice or the ranking of a sample."""
        if benchmark.task == "retrieve":
            return self._ranked(benchmark, sample, images)
        return self._chosen(benchmark, sample, images)

    def _chosen(self, benchmark: Benchmark, sample: Sample, images: Path) -> Prediction:
        options = sample.options or self._whole(benchmark, images).classes
        if not options:
            raise SettingsError(
                f"{sample.id} lists no options, and no sample of {benchmark.name} has a "
                "class. Choose another benchmark."
            )
        is_lettered = benchmark.task == "mcq"
        named = [option_text(o) if is_lettered else o for o in options]
        texts = prompt_names(named)
        sensors = sorted({image.sensor for image in sample.images})
        classes = unit(
            np.mean([[self._class(t, s) for t in texts] for s in sensors], axis=0)
        )
        fits = self.embedder.scale * classes @ self._vector(benchmark, sample, images)
        shares = np.exp(fits - fits.max())
        shares /= shares.sum()
        best = int(shares.argmax())
        said = raw = options[best]
        if is_lettered:
            said = letter(best)
            raw = f"({said}) {named[best]}"
        likely = {o: round(float(p), 4) for o, p in zip(options, shares, strict=True)}
        return Prediction(
            id=sample.id,
            raw=raw,
            parsed=said,
            parser="encoder",
            confidence=min(float(shares[best]), 1.0),
            meta={"probabilities": likely, **self._notes(sample)},
        )

    def _ranked(self, benchmark: Benchmark, sample: Sample, images: Path) -> Prediction:
        if not sample.relevant:  # an item of a gallery that asks for nothing
            return Prediction(id=sample.id, raw="[]", parsed="[]", parser="encoder")
        gallery = self._gallery(benchmark, sample, images)
        fits = gallery.vectors @ self._vector(benchmark, sample, images)
        order = [
            i for i in np.argsort(-fits, kind="stable") if gallery.names[i] != sample.id
        ]
        # Scores, not ranks: the metric counts ties against the model.
        scores = {gallery.names[i]: round(float(fits[i]), 6) for i in order[:LISTED]}
        first = json.dumps(list(islice(scores, SHOWN)))
        return Prediction(
            id=sample.id,
            raw=first,
            parsed=first,
            parser="encoder",
            meta={"scores": scores, "gallery": len(order), **self._notes(sample)},
        )

    def _vector(self, benchmark: Benchmark, sample: Sample, images: Path) -> Vectors:
        """Return the unit vector of a sample, shape (D,)."""
        if is_text(sample):
            return unit(self.embedder.encode_text([question_of(sample)])[0])
        try:
            following = self._whole(benchmark, images).behind(sample)
        except RsvlmError:  # then pictures are encoded one by one
            following = Whole().behind(sample)
        vectors = self._pictures.of(sample, images, following)
        return unit(vectors.mean(axis=0))

    def _gallery(self, benchmark: Benchmark, sample: Sample, images: Path) -> Gallery:
        key = (benchmark.name, images, sample.type)
        if key not in self._galleries:
            items = members(self._whole(benchmark, images).samples, sample)
            vectors = np.zeros((len(items), self.embedder.width), np.float32)
            if texts := [i for i, item in enumerate(items) if is_text(item)]:
                words = [question_of(items[i]) for i in texts]
                vectors[texts] = self.embedder.encode_text(words)
            said = time.monotonic()
            for number, item in enumerate(items):
                if not is_text(item):
                    vectors[number] = self._vector(benchmark, item, images)
                if time.monotonic() > said + SAY_EVERY_S:
                    said = time.monotonic()
                    self.say(f"{benchmark.name}: {number + 1}/{len(items)} encoded")
            self._galleries[key] = Gallery(tuple(item.id for item in items), vectors)
        return self._galleries[key]

    def _whole(self, benchmark: Benchmark, images: Path) -> Whole:
        key = (benchmark.name, images)
        if key not in self._wholes:
            self._wholes[key] = Whole(self.find(benchmark, images))
        return self._wholes[key]

    def _class(self, text: str, sensor: str) -> Vectors:
        key = (text, sensor)
        if key not in self._classes:
            self._classes[key] = class_vectors(self.embedder, [text], sensor)[0]
        return self._classes[key]

    def _notes(self, sample: Sample) -> dict[str, Any]:
        """Return what must be known to read a prediction."""
        if is_text(sample):
            return {}
        notes: dict[str, Any] = {}
        if len(sample.images) > 1:
            notes["fused"] = f"mean of the unit vectors of {len(sample.images)} images"
        seen = {"optical" if i.sensor != "sar" else "sar" for i in sample.images}
        if untrained := sorted(seen - self.embedder.sensors):
            notes["untrained_sensors"] = untrained
        return notes


def prompt_names(classes: Sequence[str]) -> list[str]:
    """Return classes as words for a prompt.

    A name that :mod:`rsvlm.labels` knows gets its usual word, unless another class of
    the list would get the same.

    >>> prompt_names(["resident", "DenseForest", "storage_tanks"])
    ['residential area', 'Dense Forest', 'storage tank']
    >>> prompt_names(["river", "lake"])
    ['river', 'lake']
    """
    plain = [" ".join(_CAMEL.sub(" ", c.replace("_", " ")).split()) for c in classes]
    usual = [FORMS.get(name.lower(), name) for name in plain]
    return [
        word if usual.count(word) == 1 else name
        for word, name in zip(usual, plain, strict=True)
    ]
