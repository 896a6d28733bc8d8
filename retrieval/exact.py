"""Exact search: the rows of a matrix with the largest inner products.

Only one number in sixteen of the products is looked at twice: the largest of every
group. The k best rows lie in the k best groups, since a group that is better than
theirs holds a better row. Those groups are scored again, row by row.

The FAISS wheel multiplies batches of fewer than 128,000 queries one by one
(``distance_compute_blas_threshold``), which is ten times slower than a product of
matrices on the machines we use.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rsvlm.embedding import Vectors

Slots = NDArray[np.int64]

#: Rows multiplied at a time: 12 MB of 384 floats, near the cache.
CHUNK = 8192
#: Rows of a group.
GROUP = 16
#: Queries multiplied at a time: what they score in a chunk stays in the cache.
QUERIES = 32


class Best(NamedTuple):
    """The best rows of every query, the best first.

    Attributes:
        slots: Rows, shape (B, k); -1 where there are fewer than k.
        scores: Inner products, shape (B, k); -inf there.
    """

    slots: Slots
    scores: Vectors


def best(queries: Vectors, rows: Vectors, k: int, among: Slots | None = None) -> Best:
    """Return the rows with the largest inner products.

    Args:
        queries: Shape (B, D).
        rows: Shape (N, D); may be memory-mapped.
        k: Rows wanted for each query.
        among: Rows to look at, rising; None for all.

    Returns:
        Ties go to the earlier row.
    """
    parts = [
        _best(queries[start : start + QUERIES], rows, k, among)
        for start in range(0, len(queries), QUERIES)
    ]
    if not parts:
        return nothing(0, k)
    return Best(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def nothing(count: int, k: int) -> Best:
    """Return the answer where there is no row, for ``count`` queries."""
    return Best(
        np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32)
    )


def rescored(queries: Vectors, rows: Vectors, candidates: Slots, k: int) -> Best:
    """Return the best of some candidates of each query by their inner products.

    Args:
        queries: Shape (B, D).
        rows: Shape (N, D).
        candidates: Rows to score, shape (B, M), without doubles; -1 for none.
        k: Rows wanted for each query.
    """
    out = nothing(len(queries), k)
    for query, found, slots, scores in zip(queries, candidates, *out, strict=True):
        chosen = np.sort(found[found >= 0])
        values = rows[chosen] @ query
        order = np.argsort(-values, kind="stable")[:k]
        slots[: len(order)], scores[: len(order)] = chosen[order], values[order]
    return out


def merged(first: Best, second: Best) -> Best:
    """Return the best rows of two answers to the same queries, as many as the first."""
    slots = np.concatenate([first.slots, second.slots], axis=1)
    scores = np.concatenate([first.scores, second.scores], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, : first.slots.shape[1]]
    return Best(
        np.take_along_axis(slots, order, 1), np.take_along_axis(scores, order, 1)
    )


@torch.no_grad()
def _best(queries: Vectors, rows: Vectors, k: int, among: Slots | None) -> Best:
    total = len(rows) if among is None else len(among)
    if not total or not k:
        return nothing(len(queries), k)
    turned = torch.from_numpy(np.ascontiguousarray(queries.T))  # (D, B)
    peaks = []
    for start in range(0, total, CHUNK):
        stop = min(start + CHUNK, total)
        block = rows[start:stop] if among is None else rows[among[start:stop]]
        scores = torch.from_numpy(np.asarray(block)) @ turned  # (chunk, B)
        if padding := -len(scores) % GROUP:
            scores = torch.nn.functional.pad(scores, (0, 0, 0, padding), value=-2.0)
        # Row r of a chunk of c rows belongs to group r % (c / GROUP).
        peaks.append(scores.view(GROUP, -1, len(queries)).amax(0))
    peak = torch.cat(peaks).T  # (B, groups)
    groups = peak.topk(min(k, peak.shape[1])).indices.numpy()
    members = _members(groups, total)
    if among is not None:
        members = np.where(members >= 0, among[members], -1)
    return rescored(queries, rows, members, k)


def _members(groups: NDArray[np.int64], total: int) -> Slots:
    """Return the rows of groups, shape (B, k) -> (B, k * GROUP); -1 for padding."""
    full = CHUNK // GROUP
    chunk, position = np.divmod(groups, full)
    last = total - chunk * CHUNK  # rows left from the chunk on
    step = np.minimum(-(-last // GROUP), full)
    inside = position[..., None] + step[..., None] * np.arange(GROUP)  # (B, k, GROUP)
    inside = np.where(inside < last[..., None], inside, -1)
    found = np.where(inside >= 0, inside + (chunk * CHUNK)[..., None], -1)
    return np.asarray(found.reshape(len(groups), -1), np.int64)
