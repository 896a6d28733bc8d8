"""How well the language model writes regions itself, before any region head.

Run: ``python benchmarks/text_regions.py CHECKPOINT DATA``, DATA built by ``rsvlm data
build``. Samples of the test split that ask for one object, an outline, a box made sharper
or a purpose are put to the model in their held-out wordings; its text is read by the
codec. Printed for each kind: the share of answers whose regions overlap what is meant
by half (all together, as one area), with its 95 % interval; the mean overlap; and for
purposes how often the reply names the right class, and "none" where there is none.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import shapely

from rsvlm.codec import RsvlmCodec
from rsvlm.engines.local import LocalEngine
from rsvlm.eval.metrics.intervals import wilson
from rsvlm.geometry import Region, Window
from rsvlm.instructions import INSTRUCTIONS
from rsvlm.messages import Message
from rsvlm.render import View
from rsvlm.samples import Sample, read_samples
from rsvlm.tasks import get_task
from rsvlm.training.augment import items_of, load_picture
from rsvlm.training.conversations import (
    PLACED,
    Picture,
    Shown,
    pictures,
    placed_turn,
    shape_of,
)

#: Kinds of samples that are measured, by how their kind begins.
KINDS = ("refer", "outline", "given-box", "given-shape", "reason")
#: Most tokens of a reply: a mask takes about 140.
MAX_TOKENS = 200


def chosen(data: Path, split: str, each: int) -> Iterator[tuple[str, Picture, Sample]]:
    """Yield so many samples of each kind, at most one of it a picture."""
    left = dict.fromkeys(KINDS, each)
    for picture in pictures(read_samples(data / f"{split}.jsonl")):
        if picture.detect is None:
            continue
        for kind in KINDS:
            found = [
                sample
                for task in PLACED
                for sample in picture.by_task.get(task, ())
                if str(sample.meta["kind"]).startswith(kind)
            ]
            if found and left[kind]:
                left[kind] -= 1
                yield kind, picture, found[left[kind] % len(found)]


def overlap(one: list[Region], other: list[Region]) -> float:
    """Return the IoU of two sets of regions as areas; 1 where both are empty."""
    if not one or not other:
        return float(one == other)
    areas = [
        shapely.unary_union([region.shape.to_shapely() for region in regions])
        for regions in (one, other)
    ]
    union = areas[0].union(areas[1]).area
    return float(areas[0].intersection(areas[1]).area / union) if union else 0.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--each", type=int, default=30, help="samples of a kind")
    options = parser.parse_args()
    engine = LocalEngine(options.checkpoint)
    scores: dict[str, list[float]] = defaultdict(list)
    for kind, picture, sample in chosen(options.data, options.split, options.each):
        pixels = load_picture(options.data / picture.ref.path)
        height, width = pixels.shape[:2]
        window = Window.whole(width, height, width, height)
        shown = Shown(items_of(picture.objects), width, height)
        question, answer = placed_turn(picture, sample, shown)
        shape = shape_of(sample)
        prompt = get_task(sample.task).prompt(question, INSTRUCTIONS[shape])
        view = View(pixels, window, "optical", "true-colour", "")
        reply = engine.generate(
            [Message("user", (view, prompt))], max_tokens=MAX_TOKENS
        )
        truth, found = (RsvlmCodec().parse(t, window) for t in (answer, reply.text))
        name = kind if truth else f"{kind}, nothing there"
        scores[name].append(overlap(found, truth))
        if truth:
            scores[f"{kind} as {shape}"].append(scores[name][-1])
        if kind == "reason" and truth:
            named = {region.label for region in found} == {r.label for r in truth}
            scores["reason: class named"].append(float(named))
        print(
            f"{name}: {question} -> {reply.text} ({scores[name][-1]:.2f})", flush=True
        )
    print(f"{'':28}   n  IoU>=.5   interval      mean IoU")
    for name, values in sorted(scores.items()):
        hits = sum(value >= 0.5 for value in values)
        low, high = wilson(hits, len(values))
        print(
            f"{name:28} {len(values):3}  {hits / len(values):.2f}   "
            f"[{low:.2f}, {high:.2f}]   {np.mean(values):.2f}"
        )


if __name__ == "__main__":
    main()
