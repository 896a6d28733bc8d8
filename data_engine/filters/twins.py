"""Pairs of images that show the same: by their bytes, their look, their place.

Every function yields pairs of indexes ``(i, j)`` with ``i < j``. Images are compared in
blocks, each with those before it, so that memory stays flat; the time grows with the
square of the number (100,000 images: some minutes on two cores).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rsvlm.data_engine.filters.prints import Print, laid_all_ways, likeness

#: Images compared at once with all before them.
ROWS = 256
#: Signs of two hashes that may differ, of 63, for a pair to be looked at.
FAR = 12


def same_bytes(prints: Sequence[Print]) -> Iterator[tuple[int, int]]:
    """Yield images of equal files, each with the first of them."""
    first: dict[str, int] = {}
    for j, item in enumerate(prints):
        i = first.setdefault(item.sha256, j)
        if i != j:
            yield i, j


def same_look(
    prints: Sequence[Print], least: float
) -> Iterator[tuple[int, int, float]]:
    """Yield images that look alike, flipped and turned ones included, and how much.

    Args:
        prints: The images.
        least: Least correlation of their thumbnails.
    """
    hashes = np.stack([item.signs for item in prints]).astype(np.float32)
    for start in range(0, len(prints), ROWS):
        block = hashes[start : start + ROWS].astype(np.int8)
        before = hashes[: start + len(block)]
        best = np.full((len(block), len(before)), -64, np.float32)
        for way in laid_all_ways(block):
            np.maximum(best, way.astype(np.float32) @ before.T, out=best)
        # The product of signs is 63 - 2 times the number that differ.
        for row in range(len(block)):
            j = start + row
            near = np.flatnonzero(best[row, :j] >= 63 - 2 * FAR)
            if near.size:
                thumbs = np.stack([prints[int(i)].thumb for i in near])
                found = likeness(prints[j].thumb, thumbs)
                for i, score in zip(near, found, strict=True):
                    if score >= least:
                        yield int(i), j, float(score)


def same_vector(
    prints: Sequence[Print], least: float
) -> Iterator[tuple[int, int, float]]:
    """Yield images of one sensor whose vectors are alike, and their cosine.

    Args:
        prints: The images, all with vectors.
        least: Least cosine.
    """
    vectors = np.stack([_vector(item) for item in prints])
    sensors = np.array([item.sensor for item in prints])
    for start in range(0, len(prints), ROWS):
        scores = vectors[start : start + ROWS] @ vectors[: start + ROWS].T
        scores[sensors[start : start + ROWS, None] != sensors[None, : start + ROWS]] = 0
        for row, i in np.argwhere(scores >= least):
            j = start + int(row)
            if i < j:
                yield int(i), j, float(scores[row, i])


def same_place(
    prints: Sequence[Print], least: float
) -> Iterator[tuple[int, int, float]]:
    """Yield images of different splits on common ground, and its share of the smaller.

    Args:
        prints: The images; those without a place are in no pair.
        least: Least share of the ground of the smaller one.
    """
    import shapely

    placed = [i for i, item in enumerate(prints) if item.bounds]
    if not placed:
        return
    sides = np.array([prints[i].bounds for i in placed])
    tree = shapely.STRtree(shapely.box(*sides.T))
    pairs: dict[int, list[int]] = defaultdict(list)
    for a, b in tree.query(tree.geometries, predicate="intersects").T:
        if placed[a] < placed[b] and prints[placed[a]].split != prints[placed[b]].split:
            pairs[int(b)].append(int(a))
    for b in sorted(pairs):
        for a in sorted(pairs[b]):
            share = _common(sides[a], sides[b])
            if share >= least:
                yield placed[a], placed[b], share


def are_apart(one: Print, other: Print) -> bool:
    """Whether two images lie on the map, and without common ground."""
    if one.bounds is None or other.bounds is None:
        return False
    west, south, east, north = one.bounds
    w, s, e, n = other.bounds
    return e <= west or w >= east or n <= south or s >= north


def _common(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the shared area over the smaller area of two boxes."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.prod((high - low).clip(0)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (one, other)]
    return shared / max(min(areas), 1e-12)


def _vector(item: Print) -> NDArray[np.float32]:
    assert item.vector is not None
    return item.vector
