"""Needle in a scene: whether a closer look finds one object, and what it costs.

Run: python benchmarks/zoom_hits.py [--out runs/needle] [--cases 80,60,40,20]

An object of a test image of NWPU VHR-10 lies in a scene of 4,096 to 32,768 px a side
(make_big_cog.py, scenes of RSSCN7's test images on the mosaic of Los Angeles); it is
asked where it is. A hit is a window of at most a few tiles that shows most of it. With
``--asked N`` every Nth question is answered as well, which takes longer: right is an
answer whose surest region has an IoU of 0.5 with it. Compared are

- ``none``: the whole image in one picture,
- ``rule``: ImageRAG's published rule, a softmax over the tiles above 0.5,
- ``search`` and ``chain``, as ``--zoom`` has them,
- ``auto``: the choice between these two by the question (``RoutedZoom``), which is not
  what ``--zoom auto`` does,
- ``scan``: ``--zoom auto`` after ``rsvlm scan``, so that objects of all windows are known,
- the best 1, 4 and 12 tiles by text and by labelled pictures, which bound a search.

What is done stands in OUT/results.jsonl, and a repeated call goes on from there: small
scenes first. Scenes stay in OUT, their tiles in the cache: a scene is indexed once for
all its cases. ``--report`` prints the table of what there is. Test objects: for measuring only;
``--split train --images NAMES`` takes others.
"""

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from make_big_cog import make
from zoom_scene import CaseTiles, Hidden, Needle, case_scan, needles, opened

from rsvlm.answer import Answer
from rsvlm.answer_parts import TraceStep
from rsvlm.app.build import build_assistant
from rsvlm.assistant import Assistant
from rsvlm.embedding import class_vectors
from rsvlm.eval.metrics.intervals import wilson
from rsvlm.geometry import HBB
from rsvlm.models.aligned import AlignedEncoder
from rsvlm.raster import Raster
from rsvlm.retrieval.concepts import FILE, ConceptStore
from rsvlm.retrieval.objects import ObjectIndex, ScanFinder
from rsvlm.retrieval.tiles import TileIndex
from rsvlm.zoom import Look, ZoomPolicy, look_closer
from rsvlm.zooming_chain import ChainZoom
from rsvlm.zooming_known import KnownZoom
from rsvlm.zooming_margins import Probe, text_probe
from rsvlm.zooming_route import RoutedZoom, route_zoom
from rsvlm.zooming_search import SearchSettings, SearchZoom

#: Sides of scenes, px -> scenes of each.
SCENES = {4096: 2, 8192: 2, 16384: 1, 32768: 1}
#: A window shows an object when this share of the object lies in it.
SHOWN = 0.5
#: Longest side of a window that counts as a closer look, in tiles.
MOST_TILES = 3.0
#: ImageRAG: probability of the best tile, https://arxiv.org/abs/2411.07688.
RULE = 0.5
#: Best tiles that a search could look at.
BEST = (1, 4, 12)
#: IoU from which a region is the object.
SAME = 0.5


@dataclass(frozen=True)
class Parts:
    """What is loaded once.

    Attributes:
        assistant: Finder, engine and encoders.
        encoder: Its aligned encoders.
        concepts: Labelled pictures, where there are some.
        search: The policy; it looks at the tiles of ``case``.
        case: The tiles of the case that is asked about.
    """

    assistant: Assistant
    encoder: AlignedEncoder
    concepts: ConceptStore | None
    search: SearchZoom
    case: dict[str, CaseTiles]

    def probes(self, label: str) -> dict[str, Probe | None]:
        """Return what tiles are compared with for a label."""
        if label not in self._known:
            text = text_probe(self.encoder, label)
            pictures = self.concepts.probe(label) if self.concepts else None
            self._known[label] = {"text": text, "pictures": pictures}
        return self._known[label]

    _known: dict[str, dict[str, Probe | None]] = field(default_factory=dict)


def is_hit(windows: list[HBB], target: HBB, tile: int) -> bool:
    """Return whether a window that is close enough shows the object."""
    return any(
        window.intersection(target) >= SHOWN * target.area
        and max(window.width, window.height) <= MOST_TILES * tile
        for window in windows
    )


def by_rule(tiles: CaseTiles, encoder: AlignedEncoder, label: str) -> list[HBB]:
    """Return the tiles of ImageRAG's fast path; none where its threshold is not met."""
    numbers = tiles.index.pyramid.of_level(0)
    vectors, _ = tiles.vectors(numbers)
    scores = encoder.scale * vectors @ class_vectors(encoder, [label])[0]
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    if chances.max() <= RULE:
        return []
    best = np.argsort(-chances)[:2]
    return [tiles.index.pyramid.box(int(numbers[i])) for i in best]


def ranked(
    tiles: CaseTiles, probes: Mapping[str, Probe | None]
) -> dict[str, list[HBB]]:
    """Return the finest tiles with the largest margins: of each probe, and of their sum."""
    numbers = tiles.index.pyramid.of_level(0)
    vectors, seen = tiles.vectors(numbers)
    margins = {name: p.margins(vectors) for name, p in probes.items() if p}
    if len(margins) > 1:
        margins["both"] = sum(margins.values(), start=np.zeros(1, np.float32))
    found = {}
    for name, values in margins.items():
        best = np.argsort(-np.where(seen, values, -np.inf))[: max(BEST)]
        found[name] = [tiles.index.pyramid.box(int(numbers[i])) for i in best]
    return found


def policies_of(parts: Parts) -> dict[str, ZoomPolicy]:
    """Return the policies by name."""
    found: dict[str, ZoomPolicy] = {"search": parts.search}
    chain = None
    if parts.assistant.engine.capabilities.zooms:
        found["chain"] = chain = ChainZoom(parts.assistant.engine)
    return found | {"auto": RoutedZoom(parts.search, chain)}


def looked(parts: Parts, tiles: CaseTiles, name: str) -> dict[str, Any]:
    """Return what a policy looks at in a case."""
    hidden = tiles.hidden
    policy = policies_of(parts)[name]
    start = time.perf_counter()
    view = hidden.preview(parts.assistant.engine.capabilities.max_side)
    look = Look(question_of(hidden.needle), "ground", hidden, [view])
    look_closer(policy, look)
    return told(look.trace, tiles) | {"s": time.perf_counter() - start}


def answered(assistant: Assistant, tiles: CaseTiles, zoom: Any) -> dict[str, Any]:
    """Return whether the answer to a case is right, and what was looked at for it."""
    needle = tiles.hidden.needle
    start = time.perf_counter()
    answer = assistant.ask([tiles.hidden], question_of(needle), "ground", zoom=zoom)
    spent = time.perf_counter() - start
    right = is_right(answer, needle)
    return told(answer.trace, tiles) | {"right": right, "s": spent}


def after_scan(parts: Parts, scan: ObjectIndex) -> Assistant:
    """Return the assistant as it is once ``rsvlm scan`` was run on the scene of a case."""
    side = parts.assistant.engine.capabilities.max_side
    known = KnownZoom(lambda _: scan, scan.finder.labels, side)
    return replace(parts.assistant, scans=known.scans, zooms={"auto": known})


def question_of(needle: Needle) -> str:
    """Return what is asked in a case."""
    return f"Where is the {needle.label}?"


def told(trace: Sequence[TraceStep], tiles: CaseTiles) -> dict[str, Any]:
    """Return whether a trace has a hit, its looks, and their share of all pixels."""
    needle, tile = tiles.hidden.needle, tiles.index.pyramid.settings.tile
    windows = [HBB(*s.window) for s in trace if s.step == "zoom" and s.window]
    looks = [s for s in trace if s.step in ("zoom", "verify", "refine") and s.window]
    pixels = 0.0
    for step in looks:
        area = HBB(*step.window).area if step.window else 0.0
        pixels += min(area, step.size[0] * step.size[1]) if step.size else area
    return {
        "hit": is_hit(windows, needle.hbb, tile),
        "looks": len(looks),
        "share": pixels / needle.side**2,
    }


def is_right(answer: Answer, needle: Needle) -> bool:
    """Return whether the surest region of an answer is the object."""
    surest = max(answer.regions, key=lambda r: r.confidence or 0, default=None)
    return surest is not None and _iou(HBB(*surest.hbb), needle.hbb) >= SAME


def _iou(one: HBB, other: HBB) -> float:
    shared = one.intersection(other)
    return shared / (one.area + other.area - shared)


def rows(
    parts: Parts, tiles: CaseTiles, methods: list[str], done: set[str]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each method of a case that has none yet."""
    needle, tile = tiles.hidden.needle, tiles.index.pyramid.settings.tile
    parts.case["tiles"] = tiles
    about = {"case": needle.number, "side": needle.side, "label": needle.label}
    left = [m for m in methods if m not in done]
    if {"best", "rule"} & set(left):
        start = time.perf_counter()
        tiles.build()
        about["encode_s"] = round(time.perf_counter() - start, 2)
    if "best" in left:
        for name, boxes in ranked(tiles, parts.probes(needle.label)).items():
            for count in BEST:
                hit = is_hit(boxes[:count], needle.hbb, tile)
                yield {**about, "method": f"{name}, best {count}", "hit": hit}
        yield {**about, "method": "best", "hit": False}
    if "rule" in left:
        start = time.perf_counter()
        boxes = by_rule(tiles, parts.encoder, needle.label)
        spent = time.perf_counter() - start
        hit = is_hit(boxes, needle.hbb, tile)
        yield {**about, "method": "rule", "hit": hit, "s": spent, "looks": len(boxes),
               "share": len(boxes) * tile**2 / needle.side**2}  # fmt: skip
    finder = parts.assistant.finder
    if "scan" in left and isinstance(finder, ScanFinder):
        with ObjectIndex.open(tiles.index.raster, finder) as index:
            index.build(_say)
            asked = after_scan(parts, case_scan(index, tiles.hidden))
        yield {**about, "method": "scan", **answered(asked, tiles, "auto")}
    chains = parts.assistant.engine.capabilities.zooms
    if "none" in left:  # never close enough
        yield {**about, "method": "none", "hit": False}
    question = question_of(needle)
    for name in ("search", "chain"):
        if name in left and (name != "chain" or chains):
            row = {**about, "method": name, **looked(parts, tiles, name)}
            yield row
            if name == route_zoom(question, tiles.hidden, "ground")[0]:
                yield {**row, "method": "auto"}  # that is what it chooses
    asking = replace(parts.assistant, zooms=policies_of(parts))
    for name in ("none", "search", "chain", "auto"):
        method = f"{name}, asked"
        if method in left and (name != "chain" or chains):
            yield {**about, "method": method, **answered(asking, tiles, name)}


def scene_of(folder: Path, side: int, number: int, data: Path, split: str) -> Path:
    """Return a scene without objects, made where it is not there."""
    path = folder / f"scene-{side}-{number}.tif"
    if not path.is_file():
        draft = folder / f"draft-{side}-{number}.tif"
        make(draft, side, data, 0, split, seed=1000 + number)
        draft.with_suffix(".json").unlink()
        os.replace(draft, path)
    return path


def report(file: Path) -> None:
    """Print the table of the results that there are."""
    table: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in file.read_text().splitlines():
        row = json.loads(line)
        if row["method"] != "best":
            table[row["method"], "all"].append(row)
            table[row["method"], f"{row['side']} px"].append(row)
    print(f"{'method':18} {'scenes':9} {'n':>4}  hits              right             "
          "looks   share      s")  # fmt: skip
    for (method, side), found in sorted(table.items()):
        shares = [_share([row[key] for row in found if key in row])
                  for key in ("hit", "right")]  # fmt: skip
        costs = [float(np.median([row[key] for row in found if key in row] or [np.nan]))
                 for key in ("looks", "share", "s")]  # fmt: skip
        print(f"{method:18} {side:9} {len(found):4}  {shares[0]:17} {shares[1]:17} "
              f"{costs[0]:5.0f} {costs[1]:7.2%} {costs[2]:6.2f}")  # fmt: skip


def _share(values: list[bool]) -> str:
    if not values:
        return "-"
    low, high = wilson(sum(values), len(values))
    return f"{sum(values) / len(values):.2f} ({low:.2f}-{high:.2f})"


def main() -> None:
    """Read the arguments; ask, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/needle"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--split", choices=["train", "test"], default="test")
    parser.add_argument(
        "--cases", default="80,60,40,20", help="of each side of a scene"
    )
    parser.add_argument("--methods", default="best,rule,none,search,chain")
    parser.add_argument(
        "--asked", type=int, default=0, help="cases that are asked in full: every Nth"
    )
    parser.add_argument("--images", type=Path, help="pictures that objects are from")
    parser.add_argument(
        "--concepts", type=Path, help="labelled pictures of the encoders"
    )
    parser.add_argument("--looks", type=int, default=12, help="of the second stage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--results", default="results.jsonl", help="file in OUT; another one a model"
    )
    parser.add_argument("--report", action="store_true", help="print the table only")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    results = given.out / given.results
    if given.report:
        report(results)
        return
    assistant = build_assistant(given.model)
    encoder = assistant.scenes
    if not isinstance(encoder, AlignedEncoder):
        raise SystemExit(f"The model {given.model} has no aligned encoders.")
    store = given.concepts or given.out / FILE
    concepts = ConceptStore.load(store, encoder.revision) if store.is_file() else None
    cuts = {"fast": concepts.fast, "slow": concepts.slow} if concepts else {}
    settings = SearchSettings(looks=given.looks, whole_index=True, **cuts)
    case: dict[str, CaseTiles] = {}
    side = assistant.engine.capabilities.max_side
    search = SearchZoom(
        encoder, lambda _: opened(case["tiles"]), side, settings, concepts,
        assistant.finder,
    )  # fmt: skip
    parts = Parts(assistant, encoder, concepts, search, case)
    counts = dict(zip(SCENES, map(int, given.cases.split(",")), strict=True))
    done: dict[int, set[str]] = defaultdict(set)
    if results.is_file():
        for line in results.read_text().splitlines():
            row = json.loads(line)
            done[row["case"]].add(row["method"])

    def methods(case: Needle) -> list[str]:
        found: list[str] = given.methods.split(",")
        if given.asked and case.number % given.asked == 0:
            found += [f"{name}, asked" for name in ("none", "search", "chain", "auto")]
        chains = assistant.engine.capabilities.zooms
        return [m for m in found if chains or not m.startswith("chain")]

    names = frozenset(given.images.read_text().split()) if given.images else None
    every = list(needles(given.data, given.split, counts, SCENES, given.seed, names))
    for (side, number), cases in _by_scene(every).items():
        if all(set(methods(one)) <= done[one.number] for one in cases):
            continue
        path = scene_of(given.out, side, number, given.data, given.split)
        with Raster.open(path) as raster, TileIndex.open(raster, encoder) as index:
            start = time.perf_counter()
            index.on_progress = _say
            if set(given.methods.split(",")) - {"scan", "none"}:
                index.build()
            spent = time.perf_counter() - start
            print(f"{path.name}: {index.read} of {len(index)} tiles in {spent:.0f} s")
            for one in cases:
                tiles = CaseTiles(index, Hidden(raster, one), given.out)
                for row in rows(parts, tiles, methods(one), done[one.number]):
                    with results.open("a") as file:
                        file.write(json.dumps(row) + "\n")
                    print(json.dumps(row), flush=True)
    report(results)


def _say(done: int, total: int) -> None:
    if done % 400 < 8:
        print(f"{done} of {total} tiles", flush=True)


def _by_scene(every: list[Needle]) -> dict[tuple[int, int], list[Needle]]:
    groups: dict[tuple[int, int], list[Needle]] = defaultdict(list)
    for case in every:
        groups[case.side, case.scene].append(case)
    return groups


if __name__ == "__main__":
    main()
