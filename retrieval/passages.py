"""What a knowledge base is made of: passages, where they lie, and hits.

A passage is a short text with its source, licence and, where it has one, a place on
the Earth. What can be told without a language model (a population, an elevation) also
stands in ``facts``, so that an answer can be composed from it.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rsvlm.embedding import Vectors

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: Value of a fact.
Fact = str | int | float
#: West, south, east, north; degrees, WGS 84.
Box = tuple[float, float, float, float]

_POINT = struct.Struct("<BIdd")  # little-endian WKB of a point


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of knowledge.

    Attributes:
        text: What can be cited.
        title: What it is about; a name.
        source: Where it comes from.
        licence: Licence of the text.
        kind: ``airport``, ``port``, ``place``, ``country``, ``sensor``, ``band``,
            ``term``, ``text``.
        url: Address of the source.
        date: Date that it holds for, ISO 8601, as exact as known ("2026-09-05").
        place: Where it lies: WKB, longitude and latitude, WGS 84.
        facts: What can be composed into an answer.
        weight: Importance among passages of its kind, 0 or more (inhabitants, say).
        picture: Unit vector of a picture that belongs to it, shape (D,).

    .. versionadded:: 0.1
    """

    text: str
    title: str
    source: str
    licence: str
    kind: str = "text"
    url: str | None = None
    date: str | None = None
    place: bytes | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    weight: float = 0.0
    picture: Vectors | None = None

    @property
    def hash(self) -> bytes:
        """SHA-256 of what it says and where: equal passages are kept once."""
        digest = hashlib.sha256()
        for part in (self.kind, self.title, " ".join(self.text.split())):
            digest.update(part.encode() + b"\0")
        digest.update(self.place or b"")
        return digest.digest()

    @property
    def facts_json(self) -> str:
        """The facts as JSON, the same for the same facts."""
        return json.dumps(dict(self.facts), ensure_ascii=False, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a question.

    Attributes:
        id: Number of the passage in the knowledge base.
        passage: The passage.
        score: Relevance, 0 to 1.
        dense: Cosine with the question; None where the passage has no vector.
        words: Share of the question's words that it holds, weighted by rarity.
        near: 1 inside the image, falling with the distance; None without a place.
        picture: Cosine of its picture with the image; None without a picture.
        distance_km: From the image; None without a place, or for no image.
    """

    id: int
    passage: Passage
    score: float = 0.0
    dense: float | None = None
    words: float = 0.0
    near: float | None = None
    picture: float | None = None
    distance_km: float | None = None


def point(lon: float, lat: float) -> bytes:
    """Return a place that is a point, as WKB."""
    return _POINT.pack(1, 1, lon, lat)


def geometry(place: bytes) -> "BaseGeometry":
    """Return a place as a shapely geometry, in degrees."""
    import shapely

    return shapely.from_wkb(place)


def box_of(place: bytes) -> Box:
    """Return the box around a place.

    >>> box_of(point(10.5, -3.0))
    (10.5, -3.0, 10.5, -3.0)
    """
    if len(place) == _POINT.size:
        _, _, lon, lat = _POINT.unpack(place)
        return lon, lat, lon, lat
    west, south, east, north = geometry(place).bounds
    return float(west), float(south), float(east), float(north)
