"""A knowledge base opened for reading: passages by words, by meaning and by place.

:mod:`rsvlm.retrieval.building` writes it, :mod:`rsvlm.retrieval.retriever` decides what
a question needs. Nothing here judges relevance: each method answers one kind of search.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Any, Self

import numpy as np

from rsvlm.embedding import Vectors
from rsvlm.retrieval.dense import DenseIndex
from rsvlm.retrieval.footprint import Footprint
from rsvlm.retrieval.passages import Passage, geometry
from rsvlm.retrieval.store import (
    FILE,
    KnowledgeError,
    faults,
    open_existing,
    reported,
)

_COLUMNS = (
    "id, text, title, source, licence, kind, url, date, place, facts, weight, picture"
)
_TOKEN = re.compile(r"\w+", re.UNICODE)
#: Rings around an image in which the nearest thing of a kind is sought, km.
RINGS_KM = (0.0, 15.0, 60.0, 240.0, 1000.0)
#: Most passages of a ring that are measured exactly.
MEASURED = 4000


@dataclass(frozen=True, slots=True)
class Near:
    """A passage and its distance from an image, km; 0 inside."""

    id: int
    passage: Passage
    km: float


class KnowledgeBase:
    """Passages in SQLite, with words, places and dense vectors.

    Safe to use from several threads.

    .. versionadded:: 0.1
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        """Wrap an open file; use :meth:`open`."""
        self.folder, self._connection = folder, connection
        self._lock = RLock()

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Open the knowledge base of a folder.

        Raises:
            KnowledgeError: If there is none, or it is damaged or of another version.
        """
        path = Path(folder)
        return cls(path, open_existing(path))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self.rows("SELECT count(*) FROM passages")[0][0])

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query; errors name the file."""
        with self._lock, reported(self.folder / FILE):
            return self._connection.execute(sql, values).fetchall()

    @cached_property
    def meta(self) -> dict[str, str]:
        """Schema, build, encoder and state of the base."""
        return dict(self.rows("SELECT key, value FROM meta"))

    @cached_property
    def dense(self) -> DenseIndex:
        """The dense vectors.

        Raises:
            KnowledgeError: If the index is missing, damaged or of another state.
        """
        return DenseIndex.open(self.folder, self.meta.get("state", "unfinished"))

    @cached_property
    def kinds(self) -> dict[str, int]:
        """Kind of passage -> how many."""
        return dict(self.rows("SELECT kind, count(*) FROM passages GROUP BY kind"))

    def get(self, ids: Iterable[int]) -> dict[int, Passage]:
        """Return passages by their numbers; unknown ones are left out."""
        wanted = list(dict.fromkeys(map(int, ids)))
        found = {}
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            for row in self.rows(
                f"SELECT {_COLUMNS} FROM passages WHERE id IN ({marks})", part
            ):
                found[int(row[0])] = _passage(row)
        return {id: found[id] for id in wanted if id in found}

    def vectors(self, ids: Sequence[int]) -> dict[int, Vectors]:
        """Return the dense vectors of passages that have one."""
        marks = ",".join("?" * len(ids))
        rows = self.rows(
            f"SELECT id, vector FROM passages WHERE vector IS NOT NULL "
            f"AND id IN ({marks})",
            list(ids),
        )
        return {id: np.frombuffer(v, np.float16).astype(np.float32) for id, v in rows}

    def by_words(self, words: Sequence[str], k: int) -> list[tuple[int, float]]:
        """Return the best passages by BM25 as (number, score), best first.

        Args:
            words: Words of a question; each is taken literally, any may match.
            k: How many.
        """
        # Quoted, so that no word is read as an operator of FTS5.
        terms = dict.fromkeys(token for word in words for token in _TOKEN.findall(word))
        if not terms:
            return []
        query = " OR ".join(f'"{term}"' for term in terms)
        rows = self.rows(
            "SELECT rowid, -bm25(words, 3.0, 1.0) FROM words WHERE words MATCH ? "
            "ORDER BY rank LIMIT ?",
            (query, k),
        )
        return [(int(id), float(score)) for id, score in rows]

    def frequency(self, word: str) -> int:
        """Return how many passages hold a word, in any of its endings."""
        tokens = _TOKEN.findall(word)
        if not tokens:
            return 0
        query = " AND ".join(f'"{token}"' for token in tokens)
        sql = "SELECT count(*) FROM words WHERE words MATCH ?"
        return int(self.rows(sql, (query,))[0][0])

    def holding(self, word: str, ids: Sequence[int]) -> set[int]:
        """Return which of some passages hold a word, in any of its endings."""
        tokens = _TOKEN.findall(word)
        if not tokens or not ids:
            return set()
        query = " AND ".join(f'"{token}"' for token in tokens)
        marks = ",".join("?" * len(ids))
        sql = f"SELECT rowid FROM words WHERE words MATCH ? AND rowid IN ({marks})"
        return {int(row[0]) for row in self.rows(sql, (query, *ids))}

    def within(
        self, footprint: Footprint, km: float, kinds: Sequence[str], heaviest: int = 0
    ) -> list[Near]:
        """Return passages of some kinds within a distance, nearest first.

        Args:
            footprint: The image.
            km: Largest distance; 0 for what lies inside.
            kinds: Kinds of passages.
            heaviest: Only so many, the weightiest; 0 for all.
        """
        marks = ",".join("?" * len(kinds))
        ids: dict[int, None] = {}
        for west, south, east, north in footprint.boxes(km):
            # The tree holds float32 numbers, rounded outward: nothing is lost.
            rows = self.rows(
                f"SELECT places.id FROM places JOIN passages USING (id) "
                f"WHERE east >= ? AND west <= ? AND north >= ? AND south <= ? "
                f"AND places.kind IN ({marks}) ORDER BY passages.weight DESC LIMIT ?",
                (west, east, south, north, *kinds, heaviest * 4 or MEASURED),
            )
            ids.update((int(row[0]), None) for row in rows)
        found = []
        for id, passage in self.get(ids).items():
            away = distance_km(footprint, passage)
            if away <= km:
                found.append(Near(id, passage, away))
        if heaviest:
            found.sort(key=lambda near: (-near.passage.weight, near.km))
            found = found[:heaviest]
        return sorted(found, key=lambda near: (near.km, -near.passage.weight, near.id))

    def nearest(
        self,
        footprint: Footprint,
        kinds: Sequence[str],
        km: float,
        least: float = 0.0,
    ) -> list[Near]:
        """Return the passages in the narrowest ring around an image that holds any.

        Args:
            footprint: The image.
            kinds: Kinds of passages.
            km: Largest distance.
            least: Smallest weight.
        """
        for ring in RINGS_KM:
            found = self.within(footprint, min(ring, km), kinds)
            found = [near for near in found if near.passage.weight >= least]
            if found or ring >= km:
                return found
        return []

    def titled(self, title: str, kinds: Sequence[str]) -> list[tuple[int, Passage]]:
        """Return passages whose title is a text, the weightiest first."""
        marks = ",".join("?" * len(kinds))
        rows = self.rows(
            f"SELECT {_COLUMNS} FROM passages WHERE title = ? COLLATE NOCASE "
            f"AND kind IN ({marks}) ORDER BY weight DESC LIMIT 20",
            (title, *kinds),
        )
        return [(int(row[0]), _passage(row)) for row in rows]

    def titled_like(
        self, title: str, kinds: Sequence[str]
    ) -> list[tuple[int, Passage]]:
        """Return passages whose title holds all words of a text, heaviest first."""
        words = _TOKEN.findall(title)
        if not words:
            return []
        query = "title : (" + " AND ".join(f'"{word}"' for word in words) + ")"
        marks = ",".join("?" * len(kinds))
        rows = self.rows(
            f"SELECT passages.id FROM words JOIN passages ON passages.id = words.rowid "
            f"WHERE words MATCH ? AND kind IN ({marks}) "
            "ORDER BY length(passages.title), weight DESC LIMIT 20",
            (query, *kinds),
        )
        return list(self.get(row[0] for row in rows).items())

    @cached_property
    def terms(self) -> dict[str, tuple[int, Passage]]:
        """Terms, sensors and bands by their names in small letters."""
        found: dict[str, tuple[int, Passage]] = {}
        rows = self.rows(
            f"SELECT {_COLUMNS} FROM passages WHERE kind IN ('term', 'sensor', 'band') "
            "ORDER BY kind = 'term', id DESC"
        )
        for row in rows:
            passage = _passage(row)
            also = str(passage.facts.get("aka", "")).split("; ")
            for name in (passage.title, *also):
                if plain := re.sub(r"[\W_]+", " ", name.casefold()).strip():
                    found[plain] = (int(row[0]), passage)
        return found

    def pictures(self) -> tuple[list[int], Vectors]:
        """Return the numbers and unit vectors of passages with a picture."""
        rows = self.rows("SELECT id, picture FROM passages WHERE picture IS NOT NULL")
        if not rows:
            return [], np.zeros((0, 0), np.float32)
        vectors = np.stack([np.frombuffer(row[1], np.float16) for row in rows])
        return [int(row[0]) for row in rows], vectors.astype(np.float32)

    def verify(self) -> list[str]:
        """Return what is wrong with the base, one line each; empty for a sound one."""
        found = faults(self.folder / FILE)
        wrong = sum(
            _passage(row[:-1]).hash != row[-1]
            for row in self.rows(f"SELECT {_COLUMNS}, hash FROM passages")
        )
        if wrong:
            found.append(f"passages: {wrong} do not match their hash")
        open_sources = self.rows("SELECT name FROM sources WHERE NOT done")
        found += [f"source {name!r} is not complete" for (name,) in open_sources]
        try:
            encoded = "SELECT count(*) FROM passages WHERE vector IS NOT NULL"
            if len(self.dense.ids) != self.rows(encoded)[0][0]:
                found.append("vectors: their number is not that of the passages")
        except KnowledgeError as error:
            found.append(f"vectors: {error}")
        return found


def distance_km(footprint: Footprint, passage: Passage) -> float:
    """Return the distance of a passage's place from an image, km; inf without one."""
    if passage.place is None:
        return float("inf")
    return footprint.distance_km(geometry(passage.place))


def _passage(row: Sequence[Any]) -> Passage:
    picture = None if row[11] is None else np.frombuffer(row[11], np.float16)
    text, title, source, licence, kind, url, date, place = row[1:9]
    return Passage(
        text,
        title,
        source,
        licence,
        kind,
        url,
        date,
        place,
        facts=json.loads(row[9]),
        weight=row[10],
        picture=None if picture is None else picture.astype(np.float32),
    )
