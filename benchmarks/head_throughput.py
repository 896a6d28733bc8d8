"""Megapixels a second of the region head, and what more described things cost.

Run: ``python benchmarks/head_throughput.py [CHECKPOINT] [--threads 2]``. A view of
672 x 672 px is searched for K descriptions, as :meth:`RegionFinder.find` does it for a
question; the megapixels are those of the view. "new" counts the encoder, as for the
first question about a view; "kept" finds its features in memory, as for the second.
The last column is the time for K descriptions over the time for one. Rounds of all K
take turns, and medians are printed, since machines are noisy.
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from rsvlm.findings import ShapeKind
from rsvlm.geometry import Window
from rsvlm.models.checkpoint import SHIPPED
from rsvlm.models.finder import RegionFinder
from rsvlm.render import View

#: Numbers of descriptions.
COUNTS = (1, 2, 5, 10, 20, 50)


def view_of(side: int, seed: int) -> View:
    """Return a square view of noise: no two have the same features."""
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    window = Window.whole(side, side, side, side)
    return View(pixels, window, "optical", "true-colour", "")


def descriptions(finder: RegionFinder, count: int) -> list[str]:
    """Return so many phrases, known to the text encoder already."""
    labels = list(finder.labels)
    rounds = [(labels[i % len(labels)], i // len(labels)) for i in range(count)]
    names = [f"{label} {turn}" if turn else label for label, turn in rounds]
    finder.vectors(names)
    return names


def seconds(finder: RegionFinder, view: View, names: Sequence[str], shape: ShapeKind) -> float:  # fmt: skip
    """Return how long one search takes."""
    start = time.perf_counter()
    finder.find(view, names, shape)
    return time.perf_counter() - start


def measure(finder: RegionFinder, rounds: int, shape: ShapeKind) -> None:
    """Print a table of all numbers of descriptions."""
    side = finder.side
    size = side * side / 1e6
    new: dict[int, list[float]] = {count: [] for count in COUNTS}
    kept: dict[int, list[float]] = {count: [] for count in COUNTS}
    names = {count: descriptions(finder, count) for count in COUNTS}
    for turn in range(rounds + 1):
        for count in COUNTS:
            view = view_of(side, 1000 * turn + count)
            first = seconds(finder, view, names[count], shape)
            second = seconds(finder, view, names[count], shape)
            if turn:  # the first round warms up
                new[count].append(first)
                kept[count].append(second)
    print(f"view of {side} x {side} px ({size:.2f} megapixels), shape {shape}")
    print("| descriptions | new, MP/s | kept, MP/s | new, s | kept, s | new / one |")
    print("|---:|---:|---:|---:|---:|---:|")
    one = statistics.median(new[1])
    for count in COUNTS:
        whole, rest = statistics.median(new[count]), statistics.median(kept[count])
        print(
            f"| {count} | {size / whole:.2f} | {size / rest:.2f} | {whole:.3f} "
            f"| {rest:.3f} | {whole / one:.2f} |"
        )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", nargs="?", default="tiny", help="name or folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shape", choices=get_args(ShapeKind), default="hbb")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = SHIPPED.get(options.checkpoint, Path(options.checkpoint))
    measure(RegionFinder.load(folder), options.rounds, options.shape)


if __name__ == "__main__":
    main()
