"""Makes a concept store from the pictures that encoders were trained on.

Run: python -m rsvlm.retrieval.concepts_build DATA --model tiny --out concepts.npz

DATA is a folder of ``rsvlm data build``: the labels come from its training split, the
thresholds from its validation split. Objects are seen in windows as large as the finest
tiles of an index, scenes as whole pictures.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from rsvlm.embedding import Vectors
from rsvlm.geometry import HBB
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.retrieval.concepts import ConceptStore
from rsvlm.retrieval.tiles import TileEncoder
from rsvlm.samples import Sample, read_samples
from rsvlm.zoom import drawn_at
from rsvlm.zooming_margins import Probe, picture_probe, text_probe, threshold_for

#: Most windows that show the same labels, and windows around objects of a picture.
MOST, WINDOWS = 120, 2
#: Fewest pictures that a label is learned from.
FEWEST = 8
#: Pictures without a label that a question has to pick the right one from.
HAY = 64
#: Share of the best tiles that shall be right.
PRECISION = 0.8

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Shown:
    """A window of a picture, and the labels of what it shows."""

    path: Path
    window: HBB
    labels: frozenset[str]


def windows_of(
    samples: Sequence[Sample], folder: Path, tile: int, seed: int = 0
) -> list[Shown]:
    """Return windows whose content is known.

    Args:
        samples: Records with every object (task ``detect``), or of one scene class.
        folder: Where the paths of their images start.
        tile: Side of a window, px.
        seed: Draws the windows.
    """
    rng, found = Random(seed), list[Shown]()
    for sample in samples:
        image = sample.images[0]
        if image.sensor == "sar":
            continue
        path, whole = folder / image.path, HBB(0, 0, image.width, image.height)
        if sample.task == "classify" and sample.meta.get("kind") == "scene":
            found.append(Shown(path, whole, frozenset(sample.answers)))
        elif sample.task == "detect":
            found += _around(sample, path, whole, tile, rng)
    rng.shuffle(found)
    return found


def _around(
    sample: Sample, path: Path, whole: HBB, tile: int, rng: Random
) -> Iterator[Shown]:
    """Yield windows around objects and, where there is room, beside them."""
    places = [(t.label, HBB(*t.hbb).center) for t in sample.targets]
    spots = [rng.choice(places)[1] for _ in range(WINDOWS) if places]
    spots += [(rng.uniform(0, whole.x1), rng.uniform(0, whole.y1))]
    for x, y in spots:
        x0, y0 = (
            float(max(0, min(int(at - tile * rng.uniform(0.2, 0.8)), int(size) - tile)))
            for at, size in ((x, whole.x1), (y, whole.y1))
        )
        box = HBB(x0, y0, min(x0 + tile, whole.x1), min(y0 + tile, whole.y1))
        labels = frozenset(
            label
            for label, (cx, cy) in places
            if box.x0 <= cx < box.x1 and box.y0 <= cy < box.y1
        )
        yield Shown(path, box, labels)


def thinned(shown: Sequence[Shown], most: int = MOST) -> list[Shown]:
    """Return at most ``most`` windows of each set of labels, in their order."""
    counts: dict[frozenset[str], int] = {}
    kept = []
    for one in shown:
        counts[one.labels] = counts.get(one.labels, 0) + 1
        if counts[one.labels] <= most:
            kept.append(one)
    return kept


def encode(
    shown: Sequence[Shown], encoder: TileEncoder, say: Say | None = None
) -> Vectors:
    """Return unit vectors of windows, shape (N, D)."""
    parts = []
    for start in range(0, len(shown), 16):
        parts.append(
            encoder.encode_image([_view(s, encoder) for s in shown[start : start + 16]])
        )
        if say is not None:
            say(f"\rencoded {start + len(parts[-1])} of {len(shown)}")
    return np.concatenate(parts)


def _view(shown: Shown, encoder: TileEncoder) -> View:
    window = drawn_at(shown.window, encoder.side)
    with Raster.open(shown.path) as raster:
        return raster.view(shown.window, window.width, window.height)


def build(
    train: Sequence[Shown],
    held_out: Sequence[Shown],
    encoder: TileEncoder,
    say: Say | None = None,
) -> ConceptStore:
    """Return the store of what training windows show.

    Args:
        train: What the probes are learned from.
        held_out: What the thresholds are fitted on.
        encoder: The encoders.
        say: Called with a line of progress.
    """
    vectors = encode(train, encoder, say)
    probes = {}
    for label in sorted({label for one in train for label in one.labels}):
        has = np.array([label in one.labels for one in train])
        if has.sum() >= FEWEST and (~has).sum() >= FEWEST:
            probes[label] = picture_probe(vectors[has], vectors[~has])
    tested = encode(held_out, encoder, say)
    by_text = {label: text_probe(encoder, label) for label in probes}
    fast = fitted(by_text, held_out, tested)
    return ConceptStore(
        encoder.revision, probes, fast, fitted(probes, held_out, tested)
    )


def fitted(
    probes: Mapping[str, Probe],
    shown: Sequence[Shown],
    vectors: Vectors,
    seed: int = 0,
) -> float:
    """Return the threshold above which the best tile is right often enough.

    Every window with a label is hidden once among windows without it, and as many
    questions have no right window at all.
    """
    rng = np.random.default_rng(seed)
    best: list[float] = []
    right: list[bool] = []
    for label, probe in probes.items():
        has = np.array([label in one.labels for one in shown])
        others: NDArray[np.int64] = np.flatnonzero(~has)
        if not len(others):
            continue
        scores = probe.margins(vectors)
        for number in np.flatnonzero(has):
            hay = scores[rng.choice(others, min(HAY, len(others)), replace=False)]
            best += [float(max(scores[number], hay.max())), float(hay.max())]
            right += [bool(scores[number] > hay.max()), False]
    # JSON has no infinity: a threshold that no margin reaches says the same.
    return min(threshold_for(best, right, PRECISION), 1e6) if best else 1e6


def main() -> None:
    """Read the arguments, make the store and write it."""
    from rsvlm.models.aligned import AlignedEncoder
    from rsvlm.models.checkpoint import find_checkpoint
    from rsvlm.retrieval.tiles_grid import TileSettings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--most", type=int, default=MOST, help="windows a set of labels"
    )
    given = parser.parse_args()
    encoder = AlignedEncoder.load(find_checkpoint(given.model))
    tile = TileSettings().tile
    train, held_out = (
        thinned(
            windows_of(
                list(read_samples(given.data / f"{name}.jsonl")), given.data, tile
            ),
            given.most,
        )
        for name in ("train", "val")
    )
    say = sys.stderr.write
    store = build(train, held_out, encoder, say)
    store.save(given.out)
    say(f"\n{len(store.probes)} labels; fast {store.fast:.2f}, slow {store.slow:.2f}\n")


if __name__ == "__main__":
    main()
