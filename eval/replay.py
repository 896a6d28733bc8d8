"""Replies that need no model: those of a file, and the references themselves.

Both are askers like any other (:mod:`rsvlm.eval.asking`), so that a run of them passes
through the same reading and scoring.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rsvlm.errors import EngineError
from rsvlm.eval.asking import kind_of_boxes
from rsvlm.eval.benchmark import Benchmark, Coords
from rsvlm.eval.manifest import ModelEntry
from rsvlm.eval.parse import PLACES, from_generation, union_mask
from rsvlm.eval.questions import reference_text
from rsvlm.eval.records import Box, Prediction
from rsvlm.geometry import Polygon
from rsvlm.messages import Generation
from rsvlm.samples import MaskRle, Sample, Target


@dataclass(frozen=True)
class ReplayAsker:
    """Replies that another run has left in a file.

    Attributes:
        replies: Id of a sample -> the reply.
        spec: What was given as the model.
        coords: In which numbers boxes stand in texts that nobody has read yet.
    """

    replies: Mapping[str, Prediction]
    spec: str = ""
    coords: Coords | None = None
    is_parallel: bool = False
    way: ClassVar[str] = "replay"

    def entry(self) -> ModelEntry:
        """Return what the manifest says of it."""
        return ModelEntry(name="replay", spec=self.spec, engine="replay")

    def prepare(self, benchmark: Benchmark) -> None:
        """Accept every benchmark: what is missing fails by itself."""

    def ask(
        self, benchmark: Benchmark, sample: Sample, images: Path, seed: int | None
    ) -> Prediction:
        """Return the reply to a sample, read if it was not read before."""
        found = self.replies.get(sample.id)
        if found is None:
            raise EngineError(f"The file of replies has none to {sample.id!r}.")
        is_read = found.parsed is not None or found.boxes or found.mask is not None
        if is_read or not found.answered:
            return found
        sent = [(i["w"], i["h"]) for i in found.images_sent if {"w", "h"} <= set(i)]
        read = from_generation(
            benchmark, sample, Generation(found.raw), coords=self.coords, sent=sent
        )
        update: dict[str, Any] = {
            "parsed": read.parsed,
            "parser": read.parser,
            "boxes": read.boxes,
        }
        update |= {"mask": read.mask, "coord_space": read.coord_space}
        if found.status == "ok":
            update["status"] = read.status
        return found.model_copy(update=update)


@dataclass(frozen=True)
class EchoAsker:
    """Answers with the reference: what a perfect model scores under each protocol."""

    spec: str = "echo"
    is_parallel: bool = False
    way: ClassVar[str] = "echo"

    def entry(self) -> ModelEntry:
        """Return what the manifest says of it."""
        return ModelEntry(name="echo", spec=self.spec, engine="echo", revision="1")

    def prepare(self, benchmark: Benchmark) -> None:
        """Accept every benchmark."""

    def ask(
        self, benchmark: Benchmark, sample: Sample, images: Path, seed: int | None
    ) -> Prediction:
        """Return the reference of a sample as if it had been predicted."""
        fields: dict[str, Any] = {}
        if benchmark.task in PLACES:
            fields["boxes"] = tuple(
                _reference_box(target, is_turned=kind_of_boxes(benchmark) == "obb")
                for target in sample.targets
            )
            fields["coord_space"] = "pixel"
        if benchmark.task == "segment":
            fields["mask"] = _reference_mask(sample)
        if benchmark.task == "retrieve":
            ranked = sorted(sample.relevant, key=lambda id: -sample.relevant[id])
            fields["meta"] = {"ranking": ranked}
        text = reference_text(sample, benchmark.task)
        if benchmark.task in PLACES:
            text = ", ".join(target.label for target in sample.targets)
            if not text and fields.get("mask") is None:
                text = "none"  # saying nothing would not say that nothing is there
        return Prediction(id=sample.id, raw=text, parsed=text, **fields)


def _reference_box(target: Target, is_turned: bool) -> Box:
    """Return the box of a target, turned where that is asked and known."""
    points: tuple[tuple[float, float], ...] = (target.hbb[:2], target.hbb[2:])
    rings = target.polygons
    if is_turned and len(rings) == 1 and len(rings[0]) == 8:
        points = tuple(zip(rings[0][::2], rings[0][1::2], strict=True))
    return Box(points=points, label=target.label)


def _reference_mask(sample: Sample) -> MaskRle | None:
    if sample.mask is not None:
        return sample.mask
    rings = [ring for target in sample.targets for ring in target.polygons]
    outlines = [
        Polygon(tuple(zip(ring[::2], ring[1::2], strict=True))) for ring in rings
    ]
    return union_mask(outlines, sample.images[0])
