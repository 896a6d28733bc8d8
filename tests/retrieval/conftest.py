"""A tiny knowledge base with an encoder of hashed words, and rasters at a place."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import Affine

from rsvlm.embedding import Vectors
from rsvlm.raster import Raster
from rsvlm.retrieval.building import SourceOf, build
from rsvlm.retrieval.knowledge import KnowledgeBase
from rsvlm.retrieval.passages import Passage, point


class HashEncoder:
    """Unit vectors of hashed words: texts that share words are alike."""

    name, width, limit = "hash", 64, 40

    def __init__(self) -> None:
        self.encoded = 0

    def count(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text)) + 2

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.encoded += len(texts)
        out = np.full((len(texts), self.width), 1e-3, np.float32)
        for row, text in zip(out, texts, strict=True):
            for word in re.findall(r"\w+", text.casefold()):
                digest = hashlib.md5(word.rstrip("s").encode()).digest()
                row[digest[0] % self.width] += 1.0
        unit = out / np.linalg.norm(out, axis=1, keepdims=True)
        return np.asarray(unit, np.float32)


def airport(name: str, iata: str, lon: float, lat: float, metres: int) -> Passage:
    return Passage(
        text=f"{name} ({iata}) is an airport in Testland, {metres} m above sea level.",
        title=name, source="airports", licence="MIT", kind="airport",
        date="2026-09-05", place=point(lon, lat),
        facts={"iata": iata, "elevation_m": metres}, weight=1.0,
    )  # fmt: skip


def port(name: str, lon: float, lat: float, weight: float) -> Passage:
    return Passage(
        text=f"The port of {name} is a seaport of Testland.", title=name,
        source="ports", licence="Apache-2.0", kind="port", place=point(lon, lat),
        facts={"locode": f"TL{name[:3].upper()}"}, weight=weight,
    )  # fmt: skip


def place(name: str, lon: float, lat: float, people: int) -> Passage:
    return Passage(
        text=f"{name} is a town in Testland with a population of {people:,}.",
        title=name, source="GeoNames", licence="CC-BY-4.0", kind="place",
        place=point(lon, lat), facts={"population": people, "country": "Testland"},
        weight=float(people),
    )  # fmt: skip


def country(name: str, west: float, east: float, **facts: str | int) -> Passage:
    return Passage(
        text=f"{name} is a country. Its capital is {facts.get('capital')}.",
        title=name, source="borders", licence="LicenseRef-public-domain",
        kind="country", place=shapely.to_wkb(shapely.box(west, -5, east, 5)),
        facts={"iso": name[:2].upper(), **facts}, weight=1.0,
    )  # fmt: skip


#: The scene of the tests covers longitude and latitude 10.0 to 10.1 and 0.0 to 0.1.
WORLD = (
    airport("North Field", "NFD", 10.05, 0.09, 31),
    airport("South Field", "SFD", 10.02, 0.02, 12),
    airport("Far Field", "FFD", 10.5, 0.05, 400),
    port("Smallhaven", 10.06, 0.05, 3.0),
    port("Bighaven", 10.4, 0.05, 1020.0),
    place("Midtown", 10.05, 0.05, 120_000),
    place("Hamlet", 10.051, 0.051, 600),
    country("Testland", 5.0, 10.08, capital="Midtown", population=5_000_000),
    country("Otherland", 10.08, 15.0, capital="Elsewhere", currency="Coin (COI)"),
    Passage(
        "NDVI, the vegetation index, is (NIR - red) / (NIR + red).", "NDVI",
        "glossary", "Apache-2.0", kind="term",
        facts={"aka": "normalised difference vegetation index"},
    ),
    Passage("Speckle is the grain of a radar image.", "Speckle", "glossary",
            "Apache-2.0", kind="term", date="2020-05-01"),
    Passage("The swath of Sentinel is 290 km wide.", "Sentinel", "handbook",
            "Apache-2.0", kind="sensor", date="2024"),
)  # fmt: skip


@pytest.fixture
def encoder() -> HashEncoder:
    return HashEncoder()


@pytest.fixture
def world() -> tuple[Passage, ...]:
    return WORLD


@pytest.fixture
def make_base(
    tmp_path: Path, encoder: HashEncoder
) -> Iterator[Callable[[Iterable[Passage]], KnowledgeBase]]:
    """Build a base of passages; it is closed behind the test."""
    with ExitStack() as stack:

        def make(passages: Iterable[Passage]) -> KnowledgeBase:
            rows = list(passages)
            source = SourceOf("rows", "1", lambda: rows)
            build(tmp_path / "kb", [source], encoder, _quiet)
            return stack.enter_context(KnowledgeBase.open(tmp_path / "kb"))

        yield make


def _quiet(line: str) -> None:
    """Take progress that nobody reads."""


@pytest.fixture
def base(make_base: Callable[[Iterable[Passage]], KnowledgeBase]) -> KnowledgeBase:
    return make_base(WORLD)


@pytest.fixture
def make_scene(tmp_path: Path) -> Iterator[Callable[..., Raster]]:
    """Open an empty raster that covers a rectangle of longitude and latitude."""
    stack = ExitStack()

    def make(west: float, south: float, size: float = 0.1, name: str = "s") -> Raster:
        path = tmp_path / f"{name}.tif"
        grid = Affine(size / 32, 0, west, 0, -size / 32, south + size)
        with rasterio.open(
            path, "w", driver="GTiff", width=32, height=32, count=3, dtype="uint8",
            crs="EPSG:4326", transform=grid,
        ) as out:  # fmt: skip
            out.write(np.full((3, 32, 32), 90, np.uint8))
        return stack.enter_context(Raster.open(path))

    with stack:
        yield make


@pytest.fixture
def scene(make_scene: Callable[..., Raster]) -> Raster:
    return make_scene(10.0, 0.0)
