"""Whether a search finds objects in large scenes, and what it costs.

Run: python benchmarks/zoom_hits.py [--side 4096] [--scenes 3] [--model tiny]

Each scene of make_big_cog.py hides one object of each of several classes; of each it is
asked where it is. A hit is a window of at most a few tiles that shows most of the object.
Compared are: the best tile by text, by labelled pictures, and by ImageRAG's published
rule (a softmax over the tiles above 0.5), then the policy as it is used, without and with
the region finder as second stage. The objects are from training pictures: nothing is
tuned on the test split.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rsvlm.embedding import class_vectors
from rsvlm.geometry import HBB
from rsvlm.models.aligned import AlignedEncoder
from rsvlm.models.checkpoint import find_checkpoint
from rsvlm.models.finder import RegionFinder
from rsvlm.raster import Raster
from rsvlm.retrieval.concepts import ConceptStore
from rsvlm.retrieval.tiles import TileIndex
from rsvlm.zoom import Look, ZoomPolicy, look_closer
from rsvlm.zooming_margins import Probe, text_probe
from rsvlm.zooming_search import SearchSettings, SearchZoom

#: A window shows an object when this share of the object lies in it.
SHOWN = 0.5
#: Longest side of a window that counts as a closer look, in tiles.
MOST_TILES = 3.0
#: ImageRAG: probability of the best tile, https://arxiv.org/abs/2411.07688.
RULE = 0.5


@dataclass(frozen=True)
class Parts:
    """What is loaded once."""

    encoder: AlignedEncoder
    finder: RegionFinder
    concepts: ConceptStore | None


def is_hit(windows: list[HBB], target: HBB, tile: int) -> bool:
    """Return whether a window that is close enough shows the object."""
    return any(
        window.intersection(target) >= SHOWN * target.area
        and max(window.width, window.height) <= MOST_TILES * tile
        for window in windows
    )


def best_tiles(index: TileIndex, probe: Probe, count: int) -> list[HBB]:
    """Return the finest tiles with the largest margins."""
    tiles = index.pyramid.of_level(0)
    vectors, seen = index.vectors(tiles)
    margins = np.where(seen, probe.margins(vectors), -np.inf)
    return [index.pyramid.box(int(tiles[i])) for i in np.argsort(-margins)[:count]]


def imagerag(index: TileIndex, encoder: AlignedEncoder, label: str) -> list[HBB]:
    """Return the tiles of ImageRAG's fast path; none where its threshold is not met."""
    tiles = index.pyramid.of_level(0)
    vectors, _ = index.vectors(tiles)
    scores = encoder.scale * vectors @ class_vectors(encoder, [label])[0]
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    if chances.max() <= RULE:
        return []
    return [index.pyramid.box(int(tiles[i])) for i in np.argsort(-chances)[:2]]


def cases(
    path: Path, parts: Parts, looks: int
) -> Iterator[tuple[str, str, bool, float, str]]:
    """Yield method, label, hit, seconds and note of every question of a scene."""
    encoder, concepts = parts.encoder, parts.concepts
    hidden = json.loads(path.with_suffix(".json").read_text())
    cuts = {"fast": concepts.fast, "slow": concepts.slow} if concepts else {}
    settings = SearchSettings(looks=looks, **cuts)
    with Raster.open(path) as raster, TileIndex.open(raster, encoder) as index:
        index.build()
        tile = index.pyramid.settings.tile

        @contextmanager
        def opened(_: Raster) -> Iterator[TileIndex]:
            yield index

        plain = SearchZoom(encoder, opened, 672, settings, concepts)
        staged = SearchZoom(encoder, opened, 672, settings, concepts, parts.finder)
        policies: dict[str, ZoomPolicy] = {"search": plain, "search, finder": staged}
        for one in hidden:
            label, target = one["label"], HBB(*one["hbb"])
            probes: dict[str, Probe | None] = {
                "text": text_probe(encoder, label),
                "pictures": concepts.probe(label) if concepts else None,
            }
            for name, probe in probes.items():
                for count in (1, 4, 12):
                    start = time.perf_counter()
                    boxes = best_tiles(index, probe, count) if probe else []
                    spent = time.perf_counter() - start
                    hit = is_hit(boxes, target, tile)
                    yield f"{name}, best {count}", label, hit, spent, ""
            start = time.perf_counter()
            hit = is_hit(imagerag(index, encoder, label), target, tile)
            yield "ImageRAG's rule", label, hit, time.perf_counter() - start, ""
            for name, policy in policies.items():
                view = raster.preview(672)
                look = Look(f"Where is the {label}?", "ground", raster, [view])
                start = time.perf_counter()
                windows = [view.window.box for view in look_closer(policy, look)]
                spent = time.perf_counter() - start
                note = next(s.note or "" for s in look.trace if s.step == "score")
                yield name, label, is_hit(windows, target, tile), spent, note
        shutil.rmtree(index.store.folder)  # the scene goes away as well


def main() -> None:
    """Read the arguments, ask and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--needles", type=int, default=8)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--concepts", type=Path, help="of the model, by default")
    parser.add_argument("--looks", type=int, default=6)
    parser.add_argument("--images", type=Path, help="see make_big_cog.py")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    folder = find_checkpoint(given.model)
    encoder = AlignedEncoder.load(folder)
    store = given.concepts or folder / "concepts.npz"
    concepts = ConceptStore.load(store, encoder.revision) if store.is_file() else None
    parts = Parts(encoder, RegionFinder.load(folder), concepts)
    found: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as temporary:
        for seed in range(given.scenes):
            path = Path(temporary) / f"{seed}.tif"
            script = str(Path(__file__).with_name("make_big_cog.py"))
            options = {"side": given.side, "needles": given.needles, "seed": seed}
            options |= {"data": given.data}
            options |= {"images": given.images} if given.images else {}
            flags = [f"--{name}={value}" for name, value in options.items()]
            command = [sys.executable, script, str(path), *flags]
            subprocess.run(command, check=True, capture_output=True)
            for method, label, hit, seconds, note in cases(path, parts, given.looks):
                found[method].append((hit, seconds))
                if note:
                    print(f"{seed} {label:20} {method:15} {hit!s:5} {note}", flush=True)
    for method, values in found.items():
        share = sum(hit for hit, _ in values) / len(values)
        spent = float(np.median([seconds for _, seconds in values]))
        print(f"{method:18} {share:.2f} of {len(values)}, {spent:.2f} s each")


if __name__ == "__main__":
    main()
