"""Measures composed answers on place questions made from the tables themselves.

Run: python benchmarks/knowledge_questions.py KNOWLEDGE_DIR [--tiles TILES.json]

The scenes are tiles of Los Angeles and San Antonio (their places only; no pixel is
read) and spots of empty sea and ice. The truth comes from a search through every row
of the tables, by another way than the knowledge base goes: points are projected to the
tile's own grid instead of an R*Tree and a local map. An answer is exact when it names
what is true and nothing else; its citation is right when the passage cited is of that
thing, at that distance.
"""

import argparse
import csv
import json
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import rasterio
from pyproj import Geod, Transformer
from rasterio.transform import Affine

from rsvlm import assets
from rsvlm.raster import Raster
from rsvlm.retrieval.sources_nations import ports_file
from rsvlm.retrieval.wiring import open_retriever

NEARBY_KM = 100.0
GEOD = Geod(ellps="WGS84")
#: Wordings of a kind of question; none was used to write the reader of questions.
WORDINGS = {
    "airports inside": (
        "Can you list every airport located inside this image?",
        "Which airfields are situated within the scene?",
        "What airports does the picture cover, which ones are in the image?",
        "Name the airports that fall within this tile.",
    ),
    "nearest airport": (
        "Which airport is closest to the area shown?",
        "Please tell me the nearest airport.",
        "What airport lies nearest to this location?",
        "Give the name of the closest airfield.",
    ),
    "nearest port": (
        "Which seaport lies closest to this scene?",
        "What is the nearest harbour to this place?",
        "Tell me the closest port.",
        "Which port is nearest?",
    ),
    "largest port": (
        "Which is the most important port in the vicinity?",
        "What is the biggest seaport near this image?",
        "Name the largest port around here.",
        "Which major harbour is nearby?",
    ),
    "nearest city": (
        "Which city is closest to the scene?",
        "What is the nearest city to this location?",
        "Tell me the nearest city.",
        "Name the closest city.",
    ),
    "elevation": (
        "What is the elevation of the closest airport?",
        "How high above sea level is the nearest airport?",
        "At what altitude is the nearest airfield?",
        "Give me the elevation of the nearest airport.",
    ),
    "population": (
        "What is the population of the nearest city?",
        "How many inhabitants does the closest city have?",
        "How many people live in the nearest city?",
        "Population of the nearest city?",
    ),
    "country": (
        "Which country was this image taken in?",
        "What country does this scene belong to?",
        "Name the country shown in the picture.",
        "In what country is this location?",
    ),
}
#: Spots without anything within 100 km: lon, lat.
EMPTY = (
    (-140.0, -35.0), (-120.0, -40.0), (-25.0, 45.0), (75.0, -35.0), (90.0, -25.0),
    (-150.0, 30.0), (170.0, 35.0), (-20.0, -30.0), (-110.0, -50.0), (100.0, -40.0),
    (-160.0, 45.0), (-35.0, -20.0), (60.0, -45.0), (-130.0, 10.0), (-20.0, -50.0),
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """A row of a table."""

    name: str
    lon: float
    lat: float
    weight: float
    value: str = ""


@dataclass
class Tally:
    """What was counted for a kind of question."""

    asked: int = 0
    exact: int = 0
    cited: int = 0
    wrong: list[str] = field(default_factory=list)


def tables() -> dict[str, list[Thing]]:
    """Return airports, ports and places with 50,000 inhabitants, from the files."""
    folder = assets.fetch("airports")
    with (folder / "airports.csv").open(encoding="utf-8", newline="") as file:
        airports = [
            Thing(
                row["name"], float(row["lon"]), float(row["lat"]), 0.0,
                f"{round(float(row['elevation'] or 0) * 0.3048)} m",
            )
            for row in csv.DictReader(file)
        ]  # fmt: skip
    text = (assets.fetch("geonames") / "cities500.json").read_text(encoding="utf-8")
    cities = [
        Thing(
            row["name"], float(row["longitude"]), float(row["latitude"]),
            float(row["population"]), f"{row['population']:,}",
        )
        for row in json.loads(text).values()
    ]  # fmt: skip
    ports = [
        Thing(
            str(f["properties"]["name"]), *map(float, f["geometry"]["coordinates"][:2]),
            float(len(f["properties"].get("to_cty") or ())),
        )
        for f in json.loads(ports_file().read_text(encoding="utf-8"))["features"]
    ]  # fmt: skip
    return {"airport": airports, "port": ports, "place": cities}


@dataclass(frozen=True)
class Scene:
    """A rectangle of a projected grid."""

    name: str
    epsg: int
    bounds: tuple[float, float, float, float]

    def distances(self, things: list[Thing]) -> tuple[Any, Any]:
        """Return the distances of things from the scene and from its centre, km.

        They are inf for what is more than three degrees of latitude away.
        """
        to = Transformer.from_crs(4326, self.epsg, always_xy=True)
        left, bottom, right, top = self.bounds
        mlon, mlat = to.transform(
            (left + right) / 2, (bottom + top) / 2, direction="INVERSE"
        )
        lon = np.array([t.lon for t in things])
        lat = np.array([t.lat for t in things])
        aside = np.abs((lon - mlon + 180) % 360 - 180) * np.cos(np.radians(mlat))
        some = (np.abs(lat - mlat) < 3) & (aside < 3)
        away, centre = np.full((2, len(things)), np.inf)
        lon, lat = lon[some], lat[some]
        if not len(lon):
            return away, centre
        x, y = to.transform(lon, lat)
        nx, ny = np.clip(x, left, right), np.clip(y, bottom, top)
        nlon, nlat = to.transform(nx, ny, direction="INVERSE")
        away[some] = GEOD.inv(nlon, nlat, lon, lat)[2] / 1000
        away[np.flatnonzero(some)[(nx == x) & (ny == y)]] = 0.0
        middle = np.full_like(lon, mlon), np.full_like(lat, mlat)
        centre[some] = GEOD.inv(*middle, lon, lat)[2] / 1000
        return away, centre

    def write(self, folder: Path) -> Path:
        """Write an empty GeoTIFF of this place."""
        left, bottom, right, top = self.bounds
        path = folder / f"{self.name}.tif"
        grid = Affine((right - left) / 64, 0, left, 0, (bottom - top) / 64, top)
        with rasterio.open(
            path, "w", driver="GTiff", width=64, height=64, count=3, dtype="uint8",
            crs=f"EPSG:{self.epsg}", transform=grid,
        ) as out:  # fmt: skip
            out.write(np.full((3, 64, 64), 90, np.uint8))
        return path


def scenes(tiles: Path) -> Iterator[Scene]:
    """Yield the places of the tiles."""
    for tile in json.loads(tiles.read_text(encoding="utf-8")):
        a, _, c, _, e, f = tile["transform"]
        bounds = (c, f + 1024 * e, c + 1024 * a, f)
        yield Scene(f"{tile['region']}_{tile['name']}", int(tile["epsg"]), bounds)


def truths(scene: Scene, known: dict[str, list[Thing]]) -> Iterator[tuple[Any, ...]]:
    """Yield kind of question, things that answer it, their values and distances."""
    away, centre = {}, {}
    for kind, things in known.items():
        away[kind], centre[kind] = scene.distances(things)

    def nearest(kind: str, least: float = 0.0) -> tuple[Thing, float] | None:
        big = np.array([t.weight >= least for t in known[kind]])
        order = np.lexsort((centre[kind], np.where(big, away[kind], np.inf)))
        i = int(order[0])
        if away[kind][i] > NEARBY_KM:
            return None
        return known[kind][i], float(away[kind][i])

    inside = [
        t for t, km in zip(known["airport"], away["airport"], strict=True) if not km
    ]
    if inside:
        yield "airports inside", inside, False, 0.0
    for question, kind, least, value in (
        ("nearest airport", "airport", 0.0, False),
        ("nearest port", "port", 0.0, False),
        ("nearest city", "place", 50_000.0, False),
        ("elevation", "airport", 0.0, True),
        ("population", "place", 50_000.0, True),
    ):
        found = nearest(kind, least)
        if found:
            yield question, [found[0]], value, found[1]


def main() -> None:
    """Ask, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--tiles", type=Path, required=True)
    parser.add_argument("--count", type=int, default=40, help="tiles")
    parser.add_argument("--show", action="store_true", help="print what went wrong")
    given = parser.parse_args()
    retriever, known, rng = open_retriever(given.folder), tables(), Random(0)
    tallies: dict[str, Tally] = defaultdict(Tally)
    spent: list[float] = []

    def ask(kind: str, raster: Raster) -> tuple[str, Any]:
        question = rng.choice(WORDINGS[kind])
        start = time.perf_counter()
        answer = retriever.compose(question, [raster])
        spent.append(1000 * (time.perf_counter() - start))
        tallies[kind].asked += 1
        return question, answer

    chosen = list(scenes(given.tiles))
    rng.shuffle(chosen)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for scene in chosen[: given.count]:
            with Raster.open(scene.write(folder)) as raster:
                asked = [*truths(scene, known), ("country", None, False, 0.0)]
                harbour = [t for t in known["port"] if t.name == "Los Angeles"]
                if scene.distances(harbour)[0].min() <= NEARBY_KM:
                    asked.append(("largest port", None, False, 0.0))
                for kind, things, value, km in asked:
                    question, answer = ask(kind, raster)
                    score(tallies[kind], question, answer, things, value, km, kind)
        for number, (lon, lat) in enumerate(EMPTY):
            x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(lon, lat)
            spot = Scene(
                f"empty{number}", 3857, (x - 5000, y - 5000, x + 5000, y + 5000)
            )
            if any(spot.distances(t)[0].min() <= NEARBY_KM for t in known.values()):
                sys.exit(f"the spot {lon}, {lat} is not empty")
            with Raster.open(spot.write(folder)) as raster:
                for kind in sorted(WORDINGS):
                    question, answer = ask(kind, raster)
                    tallies[kind].asked -= 1
                    tally = tallies["abstention"]
                    tally.asked += 1
                    if answer is not None and answer.abstained:
                        tally.exact += 1
                        tally.cited += not answer.evidence
                    else:
                        tally.wrong.append(f"{question} -> {answer and answer.text}")
    report(tallies, spent, given.show)


def score(
    tally: Tally,
    question: str,
    answer: Any,
    things: Any,
    value: bool,
    km: float,
    kind: str,
) -> None:
    """Count one answer; ``things`` None stands for what is the same everywhere."""
    names = {"country": ["United States"], "largest port": ["Los Angeles"]}.get(
        kind, [t.name for t in things or ()]
    )
    text = answer.text if answer else ""
    evidence = answer.evidence if answer else ()
    marks = {int(n) for n in re.findall(r"\[(\d+)\]", text)}
    exact = all(name in text for name in names) and len(marks) == len(set(names))
    if value:
        exact = things[0].value in text and len(marks) == 1
    subjects = [e.text for e in evidence if e.id in marks]
    right = bool(marks) and all(
        any(name in subject[: len(name) + 12] for name in names) for subject in subjects
    )
    if right and km and evidence[0].distance_km is not None:
        right = abs(evidence[0].distance_km - km) <= max(0.1, 0.01 * km)
    tally.exact += exact
    tally.cited += right
    if not (exact and right):
        tally.wrong.append(f"{question} -> {text!r} instead of {names} {km:.1f} km")


def report(tallies: dict[str, Tally], spent: list[float], show: bool) -> None:
    """Print a line a kind of question."""
    total = Tally()
    for kind, tally in sorted(tallies.items()):
        print(
            f"{kind:18} {tally.asked:4} asked  exact {tally.exact / tally.asked:.3f}  "
            f"citation {tally.cited / tally.asked:.3f}"
        )
        if kind != "abstention":
            total.asked += tally.asked
            total.exact += tally.exact
            total.cited += tally.cited
        for line in tally.wrong[:20] if show else ():
            print("   ", line)
    print(
        f"{'all but abstention':18} {total.asked:4} asked  "
        f"exact {total.exact / total.asked:.3f}  citation {total.cited / total.asked:.3f}"
    )
    print(f"median {np.median(spent):.0f} ms a question")


if __name__ == "__main__":
    main()
