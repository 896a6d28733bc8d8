"""Finds the passages that a question about an image needs, and composes known facts.

Candidates come from three searches (meaning, words, place) and, where passages have
pictures, from a fourth; one score orders them (:mod:`rsvlm.retrieval.signals`). What
stays below the threshold is not used, near-duplicates of better passages are not
either, and licences and dates can be limited.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np

from rsvlm.answer_parts import Evidence
from rsvlm.embedding import Embedder, Vectors
from rsvlm.knowing import Composed
from rsvlm.raster import Raster
from rsvlm.retrieval.asked import asks_picture, kinds_in
from rsvlm.retrieval.encoders import Encoder
from rsvlm.retrieval.facts import NEARBY_KM, FactComposer
from rsvlm.retrieval.facts_words import source_of
from rsvlm.retrieval.footprint import Footprint
from rsvlm.retrieval.knowledge import KnowledgeBase, Near, distance_km
from rsvlm.retrieval.passages import Hit, Passage
from rsvlm.retrieval.pictures import SIDE, picture_space
from rsvlm.retrieval.rerank import Reranker
from rsvlm.retrieval.signals import (
    COUNTRY_NEAR,
    Weights,
    content_words,
    coverage,
    nearness,
    rarity,
    score,
)

#: Labels of the region finder -> kinds of passages.
KINDS_OF_LABELS = {"airport": "airport", "harbor": "port", "harbour": "port"}


@dataclass(frozen=True)
class Settings:
    """How a retriever chooses.

    Attributes:
        count: Most passages that are used.
        least: Score below which a passage is not used.
        candidates: Passages that each search proposes.
        reranked: Candidates that the re-ranker reads.
        alike: Cosine from which a passage repeats a better one; MMR's trade-off.
        relevance: Weight of relevance against novelty in the choice, 0 to 1 (MMR).
        licences: Patterns of allowed licences, such as ``CC-BY-*``; empty allows all.
        since: Earliest date, ISO 8601; passages without a date stay.
        until: Latest date.
        weights: How much each signal counts.

    Source:
        MMR: Carbonell and Goldstein, SIGIR 1998.
    """

    count: int = 5
    least: float = 0.45
    candidates: int = 50
    reranked: int = 20
    alike: float = 0.95
    relevance: float = 0.8
    licences: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    weights: Weights = field(default_factory=Weights)

    def allows(self, passage: Passage) -> bool:
        """Whether licence and date of a passage are within the limits."""
        if self.licences and not any(
            fnmatchcase(passage.licence, pattern) for pattern in self.licences
        ):
            return False
        date = passage.date
        if date is None:
            return True
        # Dates of any exactness: "2025" lies in 2025-03 and the reverse.
        early = self.since is not None and date < self.since[: len(date)]
        late = self.until is not None and date[: len(self.until)] > self.until
        return not (early or late)


class KnowledgeRetriever:
    """Passages and composed facts of one knowledge base.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        base: KnowledgeBase,
        encoder: Encoder,
        settings: Settings | None = None,
        reranker: Reranker | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        """Join a base with what reads questions and pictures.

        Args:
            base: The knowledge base.
            encoder: The encoder that it was built with.
            settings: Limits and weights.
            reranker: Second stage; None leaves the first stage's order.
            embedder: Encoders of the passages' pictures; None leaves pictures out.
        """
        self.base, self.encoder = base, encoder
        self.settings = settings or Settings()
        self.reranker, self.embedder = reranker, embedder
        self.composer = FactComposer(base)

    # --- the protocol of rsvlm.knowing

    def search(self, question: str, rasters: Sequence[Raster]) -> list[Evidence]:
        """Return passages, best first, numbered from 1; none where none is relevant."""
        return [
            source_of(
                Near(hit.id, hit.passage, _or_inf(hit.distance_km)), number, hit.score
            )
            for number, hit in enumerate(self.hits(question, rasters), start=1)
        ]

    def compose(self, question: str, rasters: Sequence[Raster]) -> Composed | None:
        """Return the answer to a question for facts; None for other questions."""
        return self.composer.compose(question, rasters)

    def known(self, label: str, rasters: Sequence[Raster]) -> list[Evidence]:
        """Return what the base places inside the images under a label."""
        kind = KINDS_OF_LABELS.get(label)
        footprint = Footprint.of(rasters) if kind else None
        if kind is None or footprint is None:
            return []
        found = self.composer.inside(kind, footprint)
        return [source_of(near, number) for number, near in enumerate(found, start=1)]

    def similarity(self, left: str, right: str) -> float:
        """Return the cosine of two texts."""
        a, b = self.encoder.encode([left, right])
        return float(a @ b)

    # --- search

    def hits(self, question: str, rasters: Sequence[Raster] = ()) -> list[Hit]:
        """Return the chosen passages with their signals, best first.

        A question that the picture answers (how many, where, is there) needs none.
        """
        if rasters and asks_picture(question):
            return []
        found = self.candidates(question, rasters)
        if self.reranker is not None:
            head = self.reranker.rerank(question, found[: self.settings.reranked])
            found = head + found[self.settings.reranked :]
        used = [hit for hit in found if hit.score >= self.settings.least]
        return self._diverse(used)

    def candidates(self, question: str, rasters: Sequence[Raster] = ()) -> list[Hit]:
        """Return all passages that some signal proposes, best first."""
        weights, limits = self.settings.weights, self.settings
        footprint = Footprint.of(rasters) if weights.place else None
        words = content_words(question)
        query = self.encoder.encode([question])[0] if weights.dense else None
        ids: dict[int, None] = {}
        # Filters take some away: more are proposed where there are any.
        wide = limits.candidates * (8 if limits.licences or limits.since else 2)
        dense: dict[int, float] = {}
        if query is not None:
            numbers, cosines = self.base.dense.search(query, wide)
            dense = dict(zip(map(int, numbers), map(float, cosines), strict=True))
            ids.update(dict.fromkeys(dense))
        if weights.words:
            ids.update(dict.fromkeys(id for id, _ in self.base.by_words(words, wide)))
        if footprint is not None:
            ids.update(dict.fromkeys(self._nearby(question, footprint, wide)))
        pictures = self._pictures(rasters, wide)
        ids.update(dict.fromkeys(pictures))
        passages = {
            id: passage
            for id, passage in self.base.get(ids).items()
            if limits.allows(passage)
        }
        if query is not None:
            missing = [id for id in passages if id not in dense]
            for id, vector in self.base.vectors(missing).items():
                dense[id] = float(vector @ query)
        shares = dict.fromkeys(passages, 0.0)
        if weights.words and words:
            shares = coverage(self.base, rarity(self.base, words), list(passages))
        countries = self._countries(footprint)
        found = []
        for id, passage in passages.items():
            km = distance_km(footprint, passage) if footprint else math.inf
            near = _near(passage, km, countries) if footprint else None
            found.append(
                Hit(
                    id,
                    passage,
                    score(weights, dense.get(id), shares[id], near, pictures.get(id)),
                    dense.get(id),
                    shares[id],
                    near,
                    pictures.get(id),
                    km if math.isfinite(km) else None,
                )
            )
        return sorted(found, key=lambda hit: (-hit.score, hit.id))

    def _nearby(self, question: str, footprint: Footprint, count: int) -> list[int]:
        """Return what lies in the scene and, of the kinds that are named, near it."""
        kinds = [kind for kind in self.base.kinds if kind != "country"]
        found = self.base.within(footprint, 0.0, kinds, heaviest=count // 2)
        if named := kinds_in(question):
            found += self.base.within(footprint, NEARBY_KM, named, heaviest=count // 2)
        return [near.id for near in found]

    def _countries(self, footprint: Footprint | None) -> set[object]:
        if footprint is None or "country" not in self.base.kinds:
            return set()
        shares = self.composer.countries.shares(footprint)
        return {near.passage.facts.get("iso") for near, _ in shares}

    def _pictures(self, rasters: Sequence[Raster], count: int) -> dict[int, float]:
        """Return the passages whose pictures are most like the first image."""
        if self.embedder is None or not rasters or not self.settings.weights.picture:
            return {}
        if self.base.meta.get("pictures") != picture_space(self.embedder):
            return {}
        ids, vectors = self.base.pictures()
        if not ids:
            return {}
        view = rasters[0].preview(SIDE)
        cosines = vectors @ self.embedder.encode_image([view])[0]
        best = np.argsort(-cosines)[:count]
        return {ids[i]: float(cosines[i]) for i in best}

    def _diverse(self, hits: Sequence[Hit]) -> list[Hit]:
        """Choose by relevance and novelty (MMR); repetitions are left out."""
        pool = list(hits[: self.settings.candidates])
        vectors = self._vectors_of(pool)
        chosen: list[Hit] = []
        share = self.settings.relevance
        while pool and len(chosen) < self.settings.count:
            alike = {
                hit.id: max((_cosine(vectors, hit, c) for c in chosen), default=0.0)
                for hit in pool
            }
            pool = [hit for hit in pool if alike[hit.id] < self.settings.alike]
            if not pool:
                break
            best = max(
                pool,
                key=lambda hit: share * hit.score - (1 - share) * alike[hit.id],
            )
            chosen.append(best)
            pool.remove(best)
        return sorted(chosen, key=lambda hit: (-hit.score, hit.id))

    def _vectors_of(self, hits: Sequence[Hit]) -> dict[int, Vectors]:
        return self.base.vectors([hit.id for hit in hits]) if hits else {}


def _cosine(vectors: dict[int, Vectors], a: Hit, b: Hit) -> float:
    """Return how alike two passages are; rows of a gazetteer are never."""
    if a.id not in vectors or b.id not in vectors:
        return 0.0
    return float(vectors[a.id] @ vectors[b.id])


def _near(passage: Passage, km: float, countries: set[object]) -> float | None:
    if passage.kind == "country":
        return 1.0 if passage.facts.get("iso") in countries else 0.0
    if passage.place is not None:
        return nearness(km)
    iso = passage.facts.get("iso")
    if iso is None:
        return None
    return COUNTRY_NEAR if iso in countries else 0.0


def _or_inf(km: float | None) -> float:
    return math.inf if km is None else km
