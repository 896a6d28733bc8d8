"""Retrieval: recall at k, median rank, MAP and nDCG, with ties counted against us.

Items of equal score come in the worst order: all that are not relevant first. So a
constant similarity matrix, or a collapsed encoder, earns nothing, where a reversed
argsort would reward it by the order of the files.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.checks import undefined

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Cells of a similarity matrix that are sorted at once.
_CHUNK = 4_000_000
#: Ks of the recalls whose mean is mR.
KS = (1, 5, 10)


@dataclass(frozen=True)
class Ranking:
    """Where the relevant items of each query stand.

    Attributes:
        first: Rank of the first relevant item from 1 on, infinite without one,
            shape (Q,).
        average_precision: Shape (Q,).
        ndcg: k -> normalised discounted cumulative gain, shape (Q,) each.
    """

    first: Floats
    average_precision: Floats
    ndcg: Mapping[int, Floats]

    def recall(self, k: int) -> float:
        """Return the share of queries with a relevant item among the first k."""
        return float((self.first <= k).mean())

    @property
    def median(self) -> float:
        """Median rank; infinite where half of the queries find nothing."""
        ranks = np.sort(self.first)
        middle = len(ranks) // 2
        # np.median would subtract infinities.
        pair = ranks[middle : middle + 1] if len(ranks) % 2 else ranks[middle - 1 :][:2]
        return float(pair.sum() / len(pair))

    @property
    def mean_average_precision(self) -> float:
        """Mean over queries (MAP)."""
        return float(self.average_precision.mean())


def rank(
    similarity: ArrayLike, grades: ArrayLike, ndcg_at: Sequence[int] = (10,)
) -> Ranking:
    """Rank the items of every query.

    Args:
        similarity: Higher is more alike, shape (Q, I); NaN ranks last.
        grades: 0: not relevant; more: how relevant, shape (Q, I).
        ndcg_at: Depths k of nDCG@k: linear gain, log2 discount; 0 for a query without
            a relevant item.

    Raises:
        SettingsError: If there is no query or item, or the shapes differ.

    >>> rank([[0.5, 0.5, 0.1]], [[0, 1, 0]]).first.tolist()  # the tie is lost
    [2.0]
    """
    scores = np.atleast_2d(np.asarray(similarity))
    gains = np.atleast_2d(np.asarray(grades))
    if scores.shape != gains.shape:
        raise SettingsError(
            f"Similarities of shape {scores.shape} do not fit grades of shape "
            f"{gains.shape}. Both are queries by items."
        )
    if scores.size == 0:
        raise undefined("retrieval", "0 queries or items")
    first, precision = list[Floats](), list[Floats]()
    ndcg: dict[int, list[Floats]] = {k: [] for k in ndcg_at}
    step = max(_CHUNK // scores.shape[1], 1)
    for start in range(0, len(scores), step):
        rows = slice(start, start + step)
        ordered = _ordered(scores[rows], gains[rows])
        first.append(_first(ordered))
        precision.append(_average_precision(ordered))
        for k, parts in ndcg.items():
            parts.append(_ndcg(ordered, k))
    return Ranking(
        np.concatenate(first),
        np.concatenate(precision),
        {k: np.concatenate(parts) for k, parts in ndcg.items()},
    )


def rank_listed(
    listed: Sequence[Mapping[str, float] | Sequence[str]],
    relevant: Sequence[Mapping[str, float]],
    ndcg_at: Sequence[int] = (10,),
) -> Ranking:
    """Rank where each query comes with the items that were found, by name.

    A relevant item that is not listed was not found; it still counts in the recall
    that MAP and nDCG are measured by.

    Args:
        listed: For each query, item -> score, or the items with the best first.
        relevant: For each query, item -> grade above 0.
        ndcg_at: Depths k of nDCG@k.

    Raises:
        SettingsError: If there is no query, or the lengths differ.

    >>> rank_listed([["b", "a"], []], [{"a": 1}, {"a": 1}]).first.tolist()
    [2.0, inf]
    """
    if len(listed) != len(relevant):
        raise SettingsError(
            f"{len(listed)} rankings do not fit {len(relevant)} queries. Give an empty "
            "list where nothing was found."
        )
    if not listed:
        raise undefined("retrieval", "0 queries")
    parts = list[Ranking]()
    # Lists of very unequal length would waste padding in one matrix.
    for start in range(0, len(listed), 1000):
        stop = start + 1000
        ordered, missed = _padded(listed[start:stop], relevant[start:stop])
        whole = np.concatenate((ordered, missed), axis=1)
        unfound = np.concatenate((ordered, np.zeros_like(missed)), axis=1)
        count = (whole > 0).sum(axis=1)
        parts.append(
            Ranking(
                _first(ordered),
                _average_precision(unfound, count),
                {k: _ndcg(unfound, k, whole) for k in ndcg_at},
            )
        )
    return Ranking(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.average_precision for part in parts]),
        {k: np.concatenate([part.ndcg[k] for part in parts]) for k in ndcg_at},
    )


@dataclass(frozen=True)
class TwoWay:
    """Retrieval between images and texts, both ways."""

    image_to_text: Ranking
    text_to_image: Ranking

    @property
    def mean_recall(self) -> float:
        """Mean of R@1, R@5 and R@10 of both ways (mR)."""
        ways = (self.image_to_text, self.text_to_image)
        return sum(way.recall(k) for way in ways for k in KS) / (len(ways) * len(KS))


def two_way(
    similarity: ArrayLike,
    owners: Sequence[int],
    texts: Sequence[str] | None = None,
    ndcg_at: Sequence[int] = (10,),
) -> TwoWay:
    """Rank texts for images and images for texts.

    Args:
        similarity: Shape (I, T).
        owners: Row of the image that each text describes, length T.
        texts: The texts, to merge equal ones: one text is then relevant to all of its
            images. None: each text has one image, whatever it says.
        ndcg_at: Depths k of nDCG@k.

    Raises:
        SettingsError: If the shapes do not fit, or there is nothing to rank.
    """
    scores = np.atleast_2d(np.asarray(similarity))
    names = range(len(owners)) if texts is None else texts
    if len(names) != len(owners) or scores.shape[1] != len(owners):
        raise SettingsError(
            f"Similarities of shape {scores.shape} do not fit {len(owners)} owners and "
            f"{len(names)} texts. Give one column and one owner a text."
        )
    columns: dict[object, int] = {}
    kept = list[int]()
    relevant = np.zeros(scores.shape, dtype=bool)
    for position, (name, owner) in enumerate(zip(names, owners, strict=True)):
        if name not in columns:
            columns[name] = len(kept)
            kept.append(position)
        relevant[owner, columns[name]] = True
    scores, relevant = scores[:, kept], relevant[:, : len(kept)]
    return TwoWay(rank(scores, relevant, ndcg_at), rank(scores.T, relevant.T, ndcg_at))


def random_recall(k: int, relevant: int, items: int) -> float:
    """Return the chance that k items drawn without looking hold a relevant one.

    >>> random_recall(1, 1, 4), random_recall(2, 1, 4)
    (0.25, 0.5)
    """
    miss = 1.0
    for drawn in range(min(k, items)):
        miss *= max(items - relevant - drawn, 0) / (items - drawn)
    return 1 - miss if relevant else 0.0


def random_ndcg(k: int, grades: Sequence[float], items: int) -> float:
    """Return the mean nDCG@k of all orders of the items, the others of grade 0.

    >>> round(random_ndcg(10, [1.0], 2), 4)  # the mean of 1 and 1 / log2(3)
    0.8155

    Args:
        k: Depth.
        grades: Those of the relevant items, above 0.
        items: Number of items that are ordered.
    """
    discount = 1 / np.log2(np.arange(2, min(k, items) + 2))
    ideal = np.sort(np.asarray(grades, dtype=float))[::-1][: len(discount)]
    best = float(ideal @ discount[: len(ideal)])
    # Every place holds the mean grade of all items.
    return sum(grades) / items * float(discount.sum()) / best if best else 0.0


def _ordered(scores: NDArray[np.generic], gains: NDArray[np.generic]) -> Floats:
    """Return the grades in the order of the ranking, worst case among ties, (Q, I)."""
    keys = -scores.astype(np.float64)
    keys[np.isnan(keys)] = np.inf
    grades = gains.astype(np.float64)
    order = np.lexsort((grades, keys), axis=1)
    return np.take_along_axis(grades, order, axis=1)


def _first(ordered: Floats) -> Floats:
    hit = ordered > 0
    if hit.shape[1] == 0:
        return np.full(len(hit), np.inf)
    found: Floats = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1.0, np.inf)
    return found


def _average_precision(
    ordered: Floats, count: NDArray[np.int64] | None = None
) -> Floats:
    """Return precision at each relevant item, summed, by how many there are."""
    hit = ordered > 0
    number = hit.sum(axis=1) if count is None else count
    precision = np.cumsum(hit, axis=1) / np.arange(1, hit.shape[1] + 1)
    total = (precision * hit).sum(axis=1)
    mean: Floats = np.divide(total, number, out=np.zeros(len(hit)), where=number > 0)
    return mean


def _ndcg(ordered: Floats, k: int, whole: Floats | None = None) -> Floats:
    """Return nDCG@k; ``whole`` holds every grade where ``ordered`` lacks some."""
    depth = min(k, ordered.shape[1])
    discount = 1 / np.log2(np.arange(2, depth + 2))
    ideal = -np.sort(-(ordered if whole is None else whole), axis=1)[:, :depth]
    best = ideal @ discount
    gained = ordered[:, :depth] @ discount
    return np.divide(gained, best, out=np.zeros(len(best)), where=best > 0)


def _padded(
    listed: Sequence[Mapping[str, float] | Sequence[str]],
    relevant: Sequence[Mapping[str, float]],
) -> tuple[Floats, Floats]:
    """Return the grades in ranked order, and those of relevant items not listed."""
    found, missed = list[list[float]](), list[list[float]]()
    for items, grades in zip(listed, relevant, strict=True):
        found.append(
            [max(grades.get(item, 0.0), 0.0) for item in _names(items, grades)]
        )
        missed.append([g for name, g in grades.items() if name not in items and g > 0])
    return _matrix(found), _matrix(missed)


def _names(
    items: Mapping[str, float] | Sequence[str], grades: Mapping[str, float]
) -> Iterator[str]:
    if not isinstance(items, Mapping):
        yield from dict.fromkeys(items)  # an item listed twice counts once
        return
    score = {
        name: -np.inf if math.isnan(value) else value for name, value in items.items()
    }
    yield from sorted(score, key=lambda name: (-score[name], grades.get(name, 0.0)))


def _matrix(rows: Sequence[Sequence[float]]) -> Floats:
    """Return rows of unequal length as one matrix, zeros behind."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    matrix = np.zeros((len(rows), int(lengths.max(initial=0))))
    matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = [v for r in rows for v in r]
    return matrix
