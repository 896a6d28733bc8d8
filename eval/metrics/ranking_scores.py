"""The metrics of rankings and of citations.

A ranking stands in a prediction as ``meta["scores"]`` (item -> score, ties counted
against the model), ``meta["ranking"]`` (items, best first), or in its trace (entries
with ``id`` and ``score``, the retrieved items); else the reply itself names the items,
as a JSON list or one a line.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.assemble import Floats, Indices, in_scope, scored, text_of
from rsvlm.eval.metrics.rag import Box, Citations, citations, coverage
from rsvlm.eval.metrics.retrieval import (
    KS,
    Ranking,
    random_ndcg,
    random_recall,
    rank_listed,
)
from rsvlm.eval.records import Prediction
from rsvlm.eval.scored import Scored, row
from rsvlm.samples import Sample

Listed = Mapping[str, float] | Sequence[str]

_DEPTHS = (1, 5, 10, 100)


def retrieval(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    value: str = "mR",
    dedup: bool = False,
    gallery: int | None = None,
    types: Sequence[str] | None = None,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score rankings.

    Args:
        samples: Queries with the grade of each relevant item; ``type`` is the
            direction, such as "text-to-image".
        predictions: Rankings, in the same order.
        protocol: Id of the protocol.
        value: ``r@1``, ``r@5``, ``r@10``, ``mR`` (mean of these three over each
            direction), ``map``, ``ndcg@k`` for k in 1, 5, 10, 100, or ``median_rank``.
        dedup: Take queries of type "text-to-.." with equal text as one with all their
            relevant items, and items that are such queries as one item.
        gallery: Number of items that are searched; needed for a random baseline. For
            the median rank an item that is not listed then counts as the last one.
        types: Only queries of these directions; None: all.
        group_by: Fields whose values are scored apart.

    Returns:
        Rows hold recall at 1 (for nDCG and MAP the query's own value) and the ``rank``
        of the first relevant item; details every value.

    Raises:
        SettingsError: If there is no query, the lengths differ, or the median rank is
            asked for and half of the queries found nothing.
        UnknownNameError: If there is no such value.
    """
    kept, replies = in_scope(samples, predictions, types)
    relevant = [{k: g for k, g in s.relevant.items() if g > 0} for s in kept]
    listed = [_listed(prediction) for prediction in replies]
    if dedup:
        kept, replies, listed, relevant = _merged(kept, replies, listed, relevant)
    ranking = rank_listed(listed, relevant, _DEPTHS)
    number = _directions(kept)
    statistics = _statistics(ranking, number, gallery)
    if value not in statistics:
        raise UnknownNameError("value", value, statistics)
    every = np.arange(len(kept))
    if not math.isfinite(statistics[value](every)):
        raise SettingsError(
            "The median rank is unknown: half of the queries list no relevant item. "
            "Write longer rankings, or give the size of the gallery."
        )
    own = _own(ranking, value)
    rows = [
        row(
            sample, prediction, protocol, float(score), parse_ok=bool(items),
            group_by=group_by, rank=int(first) if math.isfinite(first) else None,
        )
        for sample, prediction, items, score, first in zip(
            kept, replies, listed, own, ranking.first, strict=True
        )
    ]  # fmt: skip
    details: dict[str, Any] = {name: f(every) for name, f in statistics.items()}
    details["n_queries"] = len(rows)
    details["lower_is_better"] = value == "median_rank"
    baselines = _random(value, relevant, gallery)
    return scored(
        rows, statistic=statistics[value], details=details, baselines=baselines
    )


def _listed(prediction: Prediction) -> Listed:
    """Return what a prediction ranks; nothing where there is no reply."""
    if not prediction.answered:
        return ()
    scores, names = prediction.meta.get("scores"), prediction.meta.get("ranking")
    if isinstance(scores, Mapping):
        return {str(name): float(score) for name, score in scores.items()}
    if isinstance(names, (list, tuple)):
        return [str(name) for name in names]
    hits = [entry for entry in prediction.trace if "id" in entry and "score" in entry]
    if any(entry["score"] is not None for entry in hits):
        return {
            str(hit["id"]): -math.inf if hit["score"] is None else float(hit["score"])
            for hit in hits
        }
    text = text_of(prediction) or ""
    try:
        named = json.loads(text)
    except ValueError:
        named = text.splitlines()
    if not isinstance(named, list):
        named = [text]
    return [name for item in named if (name := str(item).strip())]


def _merged(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    listed: Sequence[Listed],
    relevant: Sequence[dict[str, float]],
) -> tuple[list[Sample], list[Prediction], list[Listed], list[dict[str, float]]]:
    """Return the queries with equal texts merged, and items that are such texts too."""
    texts = {s.id: t for s in samples if (t := _text(s))}
    firsts: dict[str, str] = {}
    for name, text in texts.items():
        firsts.setdefault(text, name)
    name_of = {name: firsts[text] for name, text in texts.items()}
    place: dict[str, int] = {}
    kept, replies = list[Sample](), list[Prediction]()
    rankings, merged = list[Listed](), list[dict[str, float]]()
    for sample, prediction, items, grades in zip(
        samples, predictions, listed, relevant, strict=True
    ):
        mine = name_of.get(sample.id, sample.id)
        renamed: dict[str, float] = {}
        for name, grade in grades.items():
            key = name_of.get(name, name)
            renamed[key] = max(grade, renamed.get(key, 0.0))
        if mine in place:
            known = merged[place[mine]]
            known |= {k: max(g, known.get(k, 0.0)) for k, g in renamed.items()}
            continue
        place[mine] = len(kept)
        kept.append(sample)
        replies.append(prediction)
        rankings.append(_renamed(items, name_of))
        merged.append(renamed)
    return kept, replies, rankings, merged


def _text(sample: Sample) -> str | None:
    """Return the text of a query by text; other queries have no text of their own."""
    if sample.type is None or not sample.type.startswith("text"):
        return None
    said = [turn.text.strip() for turn in sample.conversation if turn.role == "user"]
    return said[0] if said and said[0] else None


def _renamed(items: Listed, name_of: Mapping[str, str]) -> Listed:
    if not isinstance(items, Mapping):
        return [name_of.get(name, name) for name in items]
    best: dict[str, float] = {}
    for name, score in items.items():
        key = name_of.get(name, name)
        best[key] = max(score, best.get(key, -math.inf))
    return best


def _directions(samples: Sequence[Sample]) -> Indices:
    names = sorted({str(sample.type) for sample in samples})
    return np.array([names.index(str(sample.type)) for sample in samples])


def _statistics(
    ranking: Ranking, direction: Indices, gallery: int | None
) -> dict[str, Callable[[Indices], float]]:
    """Return every value as a statistic of some of the queries."""
    first, precision = ranking.first, ranking.average_precision
    last = math.inf if gallery is None else gallery
    placed = np.where(np.isinf(first), last, first)

    def recall(k: int) -> Callable[[Indices], float]:
        return lambda indices: float((first[indices] <= k).mean())

    def mean(values: Floats) -> Callable[[Indices], float]:
        return lambda indices: float(values[indices].mean())

    def mean_recall(indices: Indices) -> float:
        count = np.bincount(direction[indices])
        held = count > 0
        hits = sum((first[indices] <= k).astype(float) for k in KS)
        total = np.bincount(direction[indices], weights=np.asarray(hits))
        return float((total[held] / count[held]).mean() / len(KS))

    def median(indices: Indices) -> float:
        return Ranking(placed[indices], precision[indices], {}).median

    return {
        **{f"r@{k}": recall(k) for k in KS},
        "mR": mean_recall,
        "map": mean(precision),
        **{f"ndcg@{k}": mean(values) for k, values in ranking.ndcg.items()},
        "median_rank": median,
    }


def _own(ranking: Ranking, value: str) -> Floats:
    """Return each query's own part of a value, 0 to 1."""
    if value == "map":
        return ranking.average_precision
    if value.startswith("ndcg@"):
        return ranking.ndcg[int(value.removeprefix("ndcg@"))]
    ks = KS if value == "mR" else (int(value[2:]) if value.startswith("r@") else 1,)
    hits: Floats = np.array([ranking.first <= k for k in ks], dtype=float).mean(axis=0)
    return hits


def _random(
    value: str, relevant: Sequence[Mapping[str, float]], gallery: int | None
) -> dict[str, float]:
    """Return what ranking at random reaches in a gallery of known size.

    For one relevant item the recall at k is k / gallery.
    """
    if gallery is not None and value.startswith("ndcg@"):
        k = int(value.removeprefix("ndcg@"))
        gains = [random_ndcg(k, list(g.values()), gallery) for g in relevant]
        return {"random": float(np.mean(gains))}
    if gallery is None or not (value == "mR" or value.startswith("r@")):
        return {}
    ks = KS if value == "mR" else (int(value[2:]),)
    sizes, often = np.unique([len(grades) for grades in relevant], return_counts=True)
    chance = [
        sum(random_recall(k, int(size), gallery) for k in ks) / len(ks)
        for size in sizes
    ]
    return {"random": float(np.average(chance, weights=often))}


def rag(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    protocol: str,
    *,
    value: str = "citation_f1",
    types: Sequence[str] | None = None,
    group_by: Sequence[str] = (),
) -> Scored:
    """Score what was retrieved for an answer, and what it cites.

    Evidence stands in ``meta["evidence"]`` or in the trace of a prediction: entries
    with ``source`` and, where the text can cite them, the number ``id``. Windows that
    were looked at are entries of the trace with ``window``.

    Args:
        samples: Questions with the grade of each relevant source, or with the region
            ``roi`` that must be looked at.
        predictions: Replies with their trace, in the same order.
        protocol: Id of the protocol.
        value: ``citation_precision``, ``citation_recall``, ``citation_f1``,
            ``evidence_recall`` (relevant sources among the evidence), or
            ``roi_coverage`` (share of the region inside the windows).
        types: Only questions of these types; None: all.
        group_by: Fields whose values are scored apart.

    Returns:
        Details hold the mean of every value and ``dangling_rate``, the share of replies
        that cite a number no evidence has.

    Raises:
        SettingsError: If there is no question, the lengths differ, or no question has
            the region that coverage is asked of.
        UnknownNameError: If there is no such value.
    """
    kept, replies = in_scope(samples, predictions, types)
    if value == "roi_coverage" and not any(sample.roi for sample in kept):
        raise SettingsError(
            "No sample has a region of interest, so its coverage cannot be told. Leave "
            "this protocol out."
        )
    parts = [_parts(s, p) for s, p in zip(kept, replies, strict=True)]
    columns: dict[str, list[float]] = {
        "citation_precision": [cited.precision for cited, _, _ in parts],
        "citation_recall": [cited.recall for cited, _, _ in parts],
        "citation_f1": [cited.f1 for cited, _, _ in parts],
        "evidence_recall": [found for _, found, _ in parts],
        "roi_coverage": [covered for _, _, covered in parts],
    }
    if value not in columns:
        raise UnknownNameError("value", value, columns)
    rows = [
        row(
            sample, prediction, protocol, score,
            group_by=group_by, dangling=list(cited.dangling),
        )
        for sample, prediction, score, (cited, _, _) in zip(
            kept, replies, columns[value], parts, strict=True
        )
    ]  # fmt: skip
    dangling = float(np.mean([bool(cited.dangling) for cited, _, _ in parts]))
    means = {name: float(np.mean(column)) for name, column in columns.items()}
    nothing = float(np.mean([not _relevant(sample) for sample in kept]))
    return scored(
        rows,
        details={**means, "dangling_rate": dangling},
        baselines={} if value == "roi_coverage" else {"cite-nothing": nothing},
    )


def _parts(sample: Sample, prediction: Prediction) -> tuple[Citations, float, float]:
    """Return citations, recall of the evidence and coverage of the region."""
    if not prediction.answered:
        return Citations(0.0, 0.0), 0.0, 0.0
    entries = [*prediction.meta.get("evidence", ()), *prediction.trace]
    shown = [entry for entry in entries if entry.get("source") is not None]
    evidence = [
        (int(entry["id"]), str(entry["source"]))
        for entry in shown
        if str(entry.get("id", "")).isdecimal()
    ]
    relevant = _relevant(sample)
    text = prediction.raw if prediction.parsed is None else prediction.parsed
    found = {str(entry["source"]) for entry in shown} & relevant
    recall = len(found) / len(relevant) if relevant else 1.0
    windows: list[Box] = [
        (float(w[0]), float(w[1]), float(w[2]), float(w[3]))
        for entry in prediction.trace
        if isinstance(w := entry.get("window"), (list, tuple)) and len(w) == 4
    ]
    covered = coverage(sample.roi, windows) if sample.roi else 0.0
    return citations(text, evidence, relevant), recall, covered


def _relevant(sample: Sample) -> set[str]:
    return {name for name, grade in sample.relevant.items() if grade > 0}
